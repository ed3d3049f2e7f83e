import Glibc

/// What durable writing needs of a file system. The real one is `PosixDisk`; a simulated one tears writes and forgets what was not synced.
///
/// Every call blocks, and throws `SystemError` when the system refuses.
public protocol Disk {
    /// Makes an empty file, or empties the one that is there, and opens it.
    func create(_ path: String) throws(SystemError) -> Int32
    func write(_ bytes: RawSpan, to file: Int32) throws(SystemError)
    /// Waits until the disk holds what was written.
    func synchronize(_ file: Int32) throws(SystemError)
    func close(_ file: Int32)
    /// Gives a file another name, in place of a file that has it.
    func rename(_ path: String, to newPath: String) throws(SystemError)
    /// Waits until the disk holds the names in a directory.
    func synchronizeDirectory(_ path: String) throws(SystemError)
    func remove(_ path: String) throws(SystemError)
    func size(of path: String) throws(SystemError) -> Int
    /// At most `count` bytes from `offset` on; fewer only at the end of the file.
    func read(_ path: String, at offset: Int, count: Int) throws(SystemError) -> [UInt8]
    /// The names in a directory, in byte order.
    func names(in directory: String) throws(SystemError) -> [String]
}

/// The machine's own file system.
public struct PosixDisk: Disk, Sendable {
    public init() {}

    public func create(_ path: String) throws(SystemError) -> Int32 {
        try retrying("open") { unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644) }
    }

    public func write(_ bytes: RawSpan, to file: Int32) throws(SystemError) {
        var done = 0
        while done < bytes.byteCount {
            let start = done
            done += try retrying("write") {
                unsafe bytes.withUnsafeBytes { bytes in
                    unsafe Glibc.write(file, bytes.baseAddress.unsafelyUnwrapped + start, bytes.count - start)
                }
            }
        }
    }

    public func synchronize(_ file: Int32) throws(SystemError) { try retrying("fsync") { fsync(file) } }

    public func close(_ file: Int32) { _ = Glibc.close(file) }

    public func rename(_ path: String, to newPath: String) throws(SystemError) {
        try retrying("rename") { unsafe Glibc.rename(path, newPath) }
    }

    public func synchronizeDirectory(_ path: String) throws(SystemError) { try PosixFile.synchronizeDirectory(path) }

    public func remove(_ path: String) throws(SystemError) { try retrying("unlink") { unsafe unlink(path) } }

    public func size(of path: String) throws(SystemError) -> Int { try PosixFile.status(of: path).size }

    public func read(_ path: String, at offset: Int, count: Int) throws(SystemError) -> [UInt8] {
        let file = try PosixFile.open(path, O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: count)
        var span = bytes.mutableSpan
        var target = unsafe span.mutableBytes
        let got = try file.read(into: &target, at: offset)
        return got == count ? bytes : Array(bytes[..<got])
    }

    public func names(in directory: String) throws(SystemError) -> [String] { try fileNames(in: directory) }
}
