import Crypto
import Foundation

/// What makes a checkpoint file a snapshot that a run can go on from; written after the file, so that its presence says that the
/// file is whole.
///
/// `format` is 1. A reader accepts every format up to its own: a later one only adds optional fields, or says how older files are read.
public struct SnapshotManifest: Codable, Hashable, Sendable {
    /// The newest format that this build writes and reads.
    public static let currentFormat = 1
    /// Bytes that a manifest may have.
    static let bytesMax = 65_536

    public var format: Int
    /// The version: the state just before step `step` applies.
    public var step: UInt64
    /// The history that wrote it.
    public var timeline: UInt32
    /// The file's name in the same directory, its size and its SHA-256.
    public var file: String
    public var bytes: Int
    public var sha256: String

    /// A manifest of these fields.
    public init(step: UInt64, timeline: UInt32, file: String, bytes: Int, sha256: String) {
        (format, self.step, self.timeline) = (Self.currentFormat, step, timeline)
        (self.file, self.bytes, self.sha256) = (file, bytes, sha256)
    }

    /// Reads a manifest from bytes that nobody vouches for.
    ///
    /// - Throws: `SnapshotError` with what is wrong in one sentence.
    public init(decoding data: [UInt8], path: String) throws(SnapshotError) {
        guard data.count <= Self.bytesMax else { throw SnapshotError(path, "it has \(data.count) bytes, too many for a manifest") }
        do { self = try JSONDecoder().decode(Self.self, from: Data(data)) } catch {
            throw SnapshotError(path, "it is not a manifest's JSON, or a damaged one")
        }
        guard format >= 1, format <= Self.currentFormat else {
            throw SnapshotError(
                path, "its format is \(format), and this build reads up to \(Self.currentFormat); use a newer plumb")
        }
        guard bytes >= 0, !file.isEmpty, !file.contains("/"), !file.hasPrefix(".") else {
            throw SnapshotError(
                path, "it names the file \(file.quotedForMessage), which is not one beside it; the manifest is damaged")
        }
    }
}

/// Why a snapshot cannot be used.
public struct SnapshotError: Error, Hashable, Sendable, CustomStringConvertible {
    public var path: String
    public var sentence: String

    init(_ path: String, _ sentence: String) { (self.path, self.sentence) = (path, sentence) }

    public var description: String { "\(path): \(sentence)" }
}

extension RunDirectory {
    /// Writes the manifest of a checkpoint file that is on disk already. Blocking; durable.
    ///
    /// - Throws: `RunDirectoryError.notWritable`.
    public func writeManifest(_ manifest: SnapshotManifest) throws(RunDirectoryError) {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            try writeDurably([UInt8](try encoder.encode(manifest)), to: manifestPath(of: manifest.file))
        } catch let error as SystemError {
            throw .notWritable(path: path, error)
        } catch {
            preconditionFailure("a manifest is always JSON: \(error)")
        }
    }

    /// The manifests that can be read, newest version first, and what is wrong with the others. Blocking.
    public func manifests() -> (usable: [SnapshotManifest], damaged: [SnapshotError]) {
        let names = ((try? fileNames(in: checkpointsPath)) ?? []).filter { $0.hasPrefix("step-") && $0.hasSuffix(".json") }
        var (usable, damaged) = ([SnapshotManifest](), [SnapshotError]())
        for name in names.sorted() {
            let path = "\(checkpointsPath)/\(name)"
            do throws(SnapshotError) {
                usable.append(
                    try SnapshotManifest(decoding: try Self.bytes(of: path, limit: SnapshotManifest.bytesMax), path: path))
            } catch { damaged.append(error) }
        }
        usable.sort { ($0.step, $0.timeline) > ($1.step, $1.timeline) }
        return (usable, damaged)
    }

    /// Checks a snapshot's file against its manifest: size and SHA-256. Blocking; reads the whole file.
    ///
    /// - Returns: the file's path.
    /// - Throws: `SnapshotError`.
    public func verify(_ manifest: SnapshotManifest) throws(SnapshotError) -> String {
        let path = "\(checkpointsPath)/\(manifest.file)"
        do {
            let file = try PosixFile.open(path, 0)
            let size = try file.status().size
            guard size == manifest.bytes else {
                throw SnapshotError(
                    path, "it has \(size) bytes where its manifest says \(manifest.bytes); it is truncated or damaged")
            }
            var (hasher, offset, buffer) = (SHA256(), 0, [UInt8](repeating: 0, count: 1 << 20))
            while offset < size {
                var span = buffer.mutableSpan
                var target = unsafe span.mutableBytes
                let count = try file.read(into: &target, at: offset)
                if count == 0 { break }
                hasher.update(data: buffer[..<count])
                offset += count
            }
            guard hasher.finalize().hexadecimal == manifest.sha256 else {
                throw SnapshotError(path, "its SHA-256 is not the one that its manifest states; it is damaged")
            }
            return path
        } catch let error as SnapshotError { throw error } catch { throw SnapshotError(path, "it cannot be read: \(error)") }
    }

    /// Removes a snapshot: the manifest first, so that no manifest is without its file. Blocking.
    public func removeSnapshot(file: String) {
        unsafe unlink(manifestPath(of: file))
        unsafe unlink("\(checkpointsPath)/\(file)")
    }

    private func manifestPath(of file: String) -> String {
        "\(checkpointsPath)/\(file.hasSuffix(".safetensors") ? String(file.dropLast(".safetensors".count)) : file).json"
    }

    static func bytes(of path: String, limit: Int) throws(SnapshotError) -> [UInt8] {
        do {
            let file = try PosixFile.open(path, 0)
            let size = try file.status().size
            guard size <= limit else { throw SnapshotError(path, "it has \(size) bytes, and at most \(limit) are read") }
            var bytes = [UInt8](repeating: 0, count: size)
            var span = bytes.mutableSpan
            var target = unsafe span.mutableBytes
            let count = try file.read(into: &target, at: 0)
            return Array(bytes[..<count])
        } catch let error as SnapshotError { throw error } catch { throw SnapshotError(path, "it cannot be read: \(error)") }
    }
}
