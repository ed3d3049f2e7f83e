import Glibc
import RunStore

/// A disk that keeps what was synced and may keep or tear the rest; it fails and fills up on demand.
///
/// Names behave as on a journalling file system: after a power loss a prefix of the changes since the last sync of the directory
/// is there. Content that was not synced is cut off anywhere.
final class SimulatedDisk: Disk {
    private struct File {
        var content: [UInt8] = []
        /// What a power loss leaves of it.
        var synced: [UInt8]?
    }

    private enum NameChange {
        case link(String, Int)
        case unlink(String)
    }

    private var files: [File] = []
    private var names: [String: Int] = [:]
    private var durableNames: [String: Int] = [:]
    private var pending: [NameChange] = []
    private var open: [Int32: Int] = [:]
    private var nextDescriptor: Int32 = 3
    /// Writing throws "no space left on device".
    var isFull = false
    /// The process dies at this many disk operations from now, in the midst of the operation.
    var operationsUntilCrash: Int?
    private(set) var isCrashed = false

    /// The process that used the disk is gone: what it wrote stays, and nothing is open any more.
    func processEnded() {
        open = [:]
        isCrashed = false
        operationsUntilCrash = nil
    }

    /// The machine lost its power.
    func powerLost(_ dice: inout Dice) {
        processEnded()
        let kept = dice.below(pending.count + 1)
        for change in pending[..<kept] { Self.make(change, &durableNames) }
        pending = []
        names = durableNames
        for index in files.indices where files[index].synced != files[index].content {
            let whole = files[index].content
            files[index].content = Array(whole[..<dice.below(whole.count + 1)])
            files[index].synced = files[index].content
        }
    }

    /// Changes a byte of the newest snapshot: bad luck that no sync prevents. False when there is none.
    func damageNewestSnapshot(_ dice: inout Dice) -> Bool {
        let snapshots = names.filter { $0.key.hasSuffix(".safetensors") && $0.key.contains("/step-") }
        guard let newest = snapshots.max(by: { $0.key < $1.key })?.value, !files[newest].content.isEmpty else { return false }
        let place = dice.below(files[newest].content.count)
        files[newest].content[place] ^= 1 << UInt8(dice.below(8))
        files[newest].synced = files[newest].content
        return true
    }

    /// The paths there are, for a look at what was left behind.
    var paths: [String] { names.keys.sorted() }

    private static func make(_ change: NameChange, _ names: inout [String: Int]) {
        switch change {
        case .link(let path, let file): names[path] = file
        case .unlink(let path): names[path] = nil
        }
    }

    private func change(_ change: NameChange) {
        pending.append(change)
        Self.make(change, &names)
    }

    /// Counts an operation; true when the process dies in it.
    private func dies() throws(SystemError) -> Bool {
        if isCrashed { throw SystemError(call: "any", code: EIO) }
        guard let left = operationsUntilCrash else { return false }
        operationsUntilCrash = left - 1
        guard left <= 1 else { return false }
        isCrashed = true
        return true
    }

    private func die() throws(SystemError) { if try dies() { throw SystemError(call: "any", code: EIO) } }

    func create(_ path: String) throws(SystemError) -> Int32 {
        try die()
        files.append(File())
        change(.link(path, files.count - 1))
        nextDescriptor += 1
        open[nextDescriptor] = files.count - 1
        return nextDescriptor
    }

    func write(_ bytes: RawSpan, to file: Int32) throws(SystemError) {
        let dying = try dies()
        guard let index = open[file] else { throw SystemError(call: "write", code: EBADF) }
        let count = dying || isFull ? bytes.byteCount / 2 : bytes.byteCount
        unsafe bytes.withUnsafeBytes { unsafe files[index].content.append(contentsOf: $0[..<count]) }
        if dying { throw SystemError(call: "write", code: EIO) }
        if isFull { throw SystemError(call: "write", code: ENOSPC) }
    }

    func synchronize(_ file: Int32) throws(SystemError) {
        try die()
        guard let index = open[file] else { throw SystemError(call: "fsync", code: EBADF) }
        files[index].synced = files[index].content
    }

    func close(_ file: Int32) { open[file] = nil }

    func rename(_ path: String, to newPath: String) throws(SystemError) {
        try die()
        guard let index = names[path] else { throw SystemError(call: "rename", code: ENOENT) }
        change(.link(newPath, index))
        change(.unlink(path))
    }

    func synchronizeDirectory(_ path: String) throws(SystemError) {
        try die()
        for change in pending { Self.make(change, &durableNames) }
        pending = []
    }

    func remove(_ path: String) throws(SystemError) {
        try die()
        guard names[path] != nil else { throw SystemError(call: "unlink", code: ENOENT) }
        change(.unlink(path))
    }

    func size(of path: String) throws(SystemError) -> Int {
        guard let index = names[path] else { throw SystemError(call: "stat", code: ENOENT) }
        return files[index].content.count
    }

    func read(_ path: String, at offset: Int, count: Int) throws(SystemError) -> [UInt8] {
        guard let index = names[path] else { throw SystemError(call: "open", code: ENOENT) }
        let content = files[index].content
        return Array(content[min(offset, content.count)..<min(offset + count, content.count)])
    }

    func names(in directory: String) throws(SystemError) -> [String] {
        let prefix = directory + "/"
        return names.keys.filter { $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).contains("/") }
            .map { String($0.dropFirst(prefix.count)) }.sorted()
    }
}
