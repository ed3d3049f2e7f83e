import Glibc

/// An open file; closed when it goes out of scope. Reads go by position, so several threads may read at once.
struct PosixFile: ~Copyable, Sendable {
    let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    /// Opens with `flags` (close-on-exec is always added, so that no worker process inherits the file).
    static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o644) throws(SystemError) -> PosixFile {
        PosixFile(descriptor: try retrying("open") { unsafe Glibc.open(path, flags | O_CLOEXEC, mode) })
    }

    deinit { _ = Glibc.close(descriptor) }

    struct Status {
        let size: Int
        let isRegular: Bool
        let isDirectory: Bool
        /// Device and inode: the file's identity, whatever its name.
        let device: UInt
        let inode: UInt

        init(_ status: stat) {
            size = Int(status.st_size)
            isRegular = status.st_mode & S_IFMT == S_IFREG
            isDirectory = status.st_mode & S_IFMT == S_IFDIR
            device = UInt(status.st_dev)
            inode = UInt(status.st_ino)
        }

        func isSameFile(as other: Status) -> Bool { device == other.device && inode == other.inode }
    }

    func status() throws(SystemError) -> Status {
        var status = stat()
        try retrying("fstat") { unsafe fstat(descriptor, &status) }
        return Status(status)
    }

    static func status(of path: String) throws(SystemError) -> Status {
        var status = stat()
        try retrying("stat") { unsafe stat(path, &status) }
        return Status(status)
    }

    /// Fills `target` from `offset` on; returns how many bytes there were, fewer only at the end of the file.
    func read(into target: inout MutableRawSpan, at offset: Int) throws(SystemError) -> Int {
        var done = 0
        while done < target.byteCount {
            let (start, position) = (done, off_t(offset + done))
            let got = try retrying("pread") {
                unsafe target.withUnsafeMutableBytes { bytes in
                    unsafe pread(descriptor, bytes.baseAddress.unsafelyUnwrapped + start, bytes.count - start, position)
                }
            }
            if got == 0 { break }
            done += got
        }
        return done
    }

    /// Writes all of `bytes` at the file's position.
    func write(_ bytes: RawSpan) throws(SystemError) {
        var done = 0
        while done < bytes.byteCount {
            let start = done
            done += try retrying("write") {
                unsafe bytes.withUnsafeBytes { bytes in
                    unsafe Glibc.write(descriptor, bytes.baseAddress.unsafelyUnwrapped + start, bytes.count - start)
                }
            }
        }
    }

    /// Waits until the disk holds what was written.
    func synchronize() throws(SystemError) { try retrying("fsync") { fsync(descriptor) } }

    /// Takes the kernel's exclusive lock on this open file; false when another open file holds it.
    func tryLock() throws(SystemError) -> Bool {
        do {
            try retrying("flock") { flock(descriptor, LOCK_EX | LOCK_NB) }
            return true
        } catch {
            if error.code == EWOULDBLOCK { return false }
            throw error
        }
    }

    /// Empties the file and goes back to its start.
    func truncate() throws(SystemError) {
        try retrying("ftruncate") { ftruncate(descriptor, 0) }
        try retrying("lseek") { lseek(descriptor, 0, SEEK_SET) }
    }

    /// Makes the names in a directory durable: those created, renamed or removed before.
    static func synchronizeDirectory(_ path: String) throws(SystemError) {
        try PosixFile.open(path, O_RDONLY | O_DIRECTORY).synchronize()
    }
}
