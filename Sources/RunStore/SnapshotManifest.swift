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

extension SnapshotManifest {
    /// The JSON that `init(decoding:path:)` reads.
    func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        return [UInt8](try encoder.encode(self))
    }
}

/// Why a snapshot cannot be used.
public struct SnapshotError: Error, Hashable, Sendable, CustomStringConvertible {
    public var path: String
    public var sentence: String

    init(_ path: String, _ sentence: String) { (self.path, self.sentence) = (path, sentence) }

    public var description: String { "\(path): \(sentence)" }
}
