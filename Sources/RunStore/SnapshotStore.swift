import Crypto
import Foundation

/// The snapshots of a run and the number of its history, on a disk: written so that a crash at any point loses nothing that was told.
///
/// Used by the holder of the run's lease. Every call blocks.
public struct SnapshotStore<Storage: Disk> {
    /// The run's directory.
    public let path: String
    private let disk: Storage

    /// The store in the directory `path`, whose `checkpoints` directory exists.
    public init(_ path: String, on disk: Storage) { (self.path, self.disk) = (path, disk) }

    private var checkpointsPath: String { "\(path)/checkpoints" }
    private var timelinePath: String { "\(path)/timeline" }

    /// Begins the timeline after every one that was begun here; its number is on disk before it is returned.
    ///
    /// - Throws: `SystemError` when it cannot be written; `SnapshotError` when the file does not hold a number.
    public func beginTimeline() throws -> UInt32 {
        var last: UInt32 = 0
        if (try? disk.size(of: timelinePath)) != nil {
            let text = String(decoding: try bytes(of: timelinePath, limit: 64), as: UTF8.self)
            guard let number = UInt32(text.filter { !$0.isWhitespace }), number < UInt32.max else {
                throw SnapshotError(
                    timelinePath, "it does not hold a number; write the largest timeline of checkpoints/*.json into it")
            }
            last = number
        }
        try disk.writeDurably(Array("\(last + 1)\n".utf8), to: timelinePath)
        return last + 1
    }

    /// Saves version `step`: its file, durably, by `write`; then the manifest that vouches for it; then lets go of all but the last
    /// `count` snapshots that were written.
    ///
    /// - Parameter write: writes the file durably at the path given and returns its SHA-256.
    /// - Throws: what `write` throws, or `SystemError`.
    public func save(step: UInt64, timeline: UInt32, keeping count: Int, write: (_ path: String) throws -> String) throws
        -> SnapshotManifest
    {
        let digits = String(step)
        let name = "step-\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits).safetensors"
        if let earlier = manifests().usable.first(where: { $0.file == name }) {
            // A version's state is a function of the experiment: one that an earlier history saved whole is as good.
            if (try? verify(earlier)) != nil { return earlier }
            // Otherwise it gives way first, so that no manifest speaks of another's file.
            try disk.remove(manifestPath(of: name))
        }
        let digest = try write("\(checkpointsPath)/\(name)")
        let manifest = SnapshotManifest(
            step: step, timeline: timeline, file: name, bytes: try disk.size(of: "\(checkpointsPath)/\(name)"), sha256: digest)
        try disk.writeDurably(manifest.encoded(), to: manifestPath(of: name))
        let written = manifests().usable.sorted { ($0.timeline, $0.step) > ($1.timeline, $1.step) }
        for old in written.dropFirst(max(1, count)) { remove(old) }
        return manifest
    }

    /// The manifests that can be read, newest version first, and what is wrong with the others.
    public func manifests() -> (usable: [SnapshotManifest], damaged: [SnapshotError]) {
        let names = ((try? disk.names(in: checkpointsPath)) ?? []).filter { $0.hasPrefix("step-") && $0.hasSuffix(".json") }
        var (usable, damaged) = ([SnapshotManifest](), [SnapshotError]())
        for name in names {
            let path = "\(checkpointsPath)/\(name)"
            do throws(SnapshotError) {
                usable.append(try SnapshotManifest(decoding: try bytes(of: path, limit: SnapshotManifest.bytesMax), path: path))
            } catch { damaged.append(error) }
        }
        usable.sort { ($0.step, $0.timeline) > ($1.step, $1.timeline) }
        return (usable, damaged)
    }

    /// Checks a snapshot's file against its manifest: size and SHA-256. Reads the whole file.
    ///
    /// - Returns: the file's path.
    /// - Throws: `SnapshotError`.
    public func verify(_ manifest: SnapshotManifest) throws(SnapshotError) -> String {
        let path = "\(checkpointsPath)/\(manifest.file)"
        do {
            let size = try disk.size(of: path)
            guard size == manifest.bytes else {
                throw SnapshotError(
                    path, "it has \(size) bytes where its manifest says \(manifest.bytes); it is truncated or damaged")
            }
            var (hasher, offset) = (SHA256(), 0)
            while offset < size {
                let bytes = try disk.read(path, at: offset, count: min(1 << 20, size - offset))
                if bytes.isEmpty { break }
                hasher.update(data: bytes)
                offset += bytes.count
            }
            guard hasher.finalize().hexadecimal == manifest.sha256 else {
                throw SnapshotError(path, "its SHA-256 is not the one that its manifest states; it is damaged")
            }
            return path
        } catch let error as SnapshotError { throw error } catch { throw SnapshotError(path, "it cannot be read: \(error)") }
    }

    /// Removes what interrupted writes have left: hidden files, and snapshots that no manifest vouches for.
    public func removeAbandoned() {
        try? disk.removeAbandoned(in: path)
        try? disk.removeAbandoned(in: checkpointsPath)
        let names = (try? disk.names(in: checkpointsPath)) ?? []
        let vouched = Set(names.filter { $0.hasSuffix(".json") }.map { $0.dropLast(".json".count) })
        for name in names where name.hasPrefix("step-") && name.hasSuffix(".safetensors") {
            if !vouched.contains(name.dropLast(".safetensors".count)) { try? disk.remove("\(checkpointsPath)/\(name)") }
        }
    }

    /// The manifest first, so that no manifest is without its file.
    private func remove(_ manifest: SnapshotManifest) {
        try? disk.remove(manifestPath(of: manifest.file))
        try? disk.remove("\(checkpointsPath)/\(manifest.file)")
    }

    private func manifestPath(of file: String) -> String {
        "\(checkpointsPath)/\(file.hasSuffix(".safetensors") ? String(file.dropLast(".safetensors".count)) : file).json"
    }

    func bytes(of path: String, limit: Int) throws(SnapshotError) -> [UInt8] {
        do {
            let size = try disk.size(of: path)
            guard size <= limit else { throw SnapshotError(path, "it has \(size) bytes, and at most \(limit) are read") }
            return try disk.read(path, at: 0, count: size)
        } catch let error as SnapshotError { throw error } catch { throw SnapshotError(path, "it cannot be read: \(error)") }
    }
}
