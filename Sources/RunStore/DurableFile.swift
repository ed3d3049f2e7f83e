import Crypto
import Glibc

/// A file that appears under its name whole and synced, or not at all.
///
/// Bytes go to a hidden file beside it; `commit` syncs it, renames it and syncs the directory.
/// A value that goes out of scope uncommitted removes the hidden file. Its SHA-256 is computed on the way.
struct DurableFile: ~Copyable {
    let path: String
    private let temporaryPath: String
    private let file: PosixFile
    private var hasher = SHA256()
    private var isCommitted = false

    init(path: String) throws(SystemError) {
        self.path = path
        temporaryPath = "\(directory(of: path))/\(Self.temporaryPrefix)\(getpid())-\(fileName(of: path))"
        file = try PosixFile.open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC)
    }

    deinit {
        if !isCommitted { unsafe unlink(temporaryPath) }
    }

    /// How the hidden files of unfinished writes begin.
    static let temporaryPrefix = ".partial-"

    mutating func write(_ bytes: RawSpan) throws(SystemError) {
        if bytes.isEmpty { return }
        try file.write(bytes)
        unsafe bytes.withUnsafeBytes { unsafe hasher.update(bufferPointer: $0) }
    }

    /// Syncs and renames; returns the SHA-256 of the content in hexadecimal.
    consuming func commit() throws(SystemError) -> String {
        try file.synchronize()
        try retrying("rename") { unsafe rename(temporaryPath, path) }
        isCommitted = true
        try PosixFile.synchronizeDirectory(directory(of: path))
        return hasher.finalize().hexadecimal
    }

    /// Removes what unfinished writes of ended processes left in a directory. Only for the holder of the run's lease.
    static func removeAbandoned(in directory: String) throws(SystemError) {
        for name in try fileNames(in: directory) where name.hasPrefix(temporaryPrefix) {
            try retrying("unlink") { unsafe unlink("\(directory)/\(name)") }
        }
    }
}
