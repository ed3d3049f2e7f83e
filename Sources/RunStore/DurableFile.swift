import Crypto
import Glibc

/// A file that appears under its name whole and synced, or not at all.
///
/// Bytes go to a hidden file beside it; `commit` syncs it, renames it and syncs the directory.
/// A value that goes out of scope uncommitted removes the hidden file. Its SHA-256 is computed on the way.
public struct DurableFile<Storage: Disk>: ~Copyable {
    public let path: String
    private let disk: Storage
    private let temporaryPath: String
    private let file: Int32
    private var hasher = SHA256()
    private var isCommitted = false

    /// Begins the file. Blocking.
    public init(path: String, on disk: Storage) throws(SystemError) {
        self.path = path
        self.disk = disk
        temporaryPath = "\(directory(of: path))/\(durableTemporaryPrefix)\(getpid())-\(fileName(of: path))"
        file = try disk.create(temporaryPath)
    }

    deinit {
        disk.close(file)
        if !isCommitted { try? disk.remove(temporaryPath) }
    }

    /// Appends bytes. Blocking.
    public mutating func write(_ bytes: RawSpan) throws(SystemError) {
        if bytes.isEmpty { return }
        try disk.write(bytes, to: file)
        unsafe bytes.withUnsafeBytes { unsafe hasher.update(bufferPointer: $0) }
    }

    /// Syncs and renames; returns the SHA-256 of the content in hexadecimal. Blocking.
    public consuming func commit() throws(SystemError) -> String {
        try disk.synchronize(file)
        try disk.rename(temporaryPath, to: path)
        isCommitted = true
        try disk.synchronizeDirectory(directory(of: path))
        return hasher.finalize().hexadecimal
    }
}

/// How the hidden files of unfinished writes begin.
let durableTemporaryPrefix = ".partial-"

extension Disk {
    /// Writes a small file durably and whole. Blocking.
    func writeDurably(_ bytes: [UInt8], to path: String) throws(SystemError) {
        var file = try DurableFile(path: path, on: self)
        unsafe try file.write(bytes.span.bytes)
        _ = try file.commit()
    }

    /// Removes what unfinished writes of ended processes left in a directory. Only for the holder of the run's lease.
    func removeAbandoned(in directory: String) throws(SystemError) {
        for name in try names(in: directory) where name.hasPrefix(durableTemporaryPrefix) { try remove("\(directory)/\(name)") }
    }
}
