import Glibc

/// The right to be the one coordinator of a run directory, held from its making until it goes out of scope.
///
/// The lock is the kernel's (`flock` on the file `lease`, which holds the process id and the host): it is free as soon as
/// the holder has ended, however it ended, so a stale file never bars a run. A clean end removes the file too.
/// On a network file system the lock holds as far as that system's `flock` does (NFS since Linux 2.6.12).
public struct CoordinatorLease: ~Copyable, Sendable {
    /// The lock file.
    public let path: String
    private let file: PosixFile

    /// Takes the lease of `run`, at once or not at all.
    /// - Throws: `RunDirectoryError.leased` naming the holder, or `.notWritable`.
    public init(of run: RunDirectory) throws(RunDirectoryError) {
        path = run.leasePath
        file = try Self.written(run)
        // Only the holder may: they are nobody's.
        run.snapshots.removeAbandoned()
    }

    private static func written(_ run: RunDirectory) throws(RunDirectoryError) -> PosixFile {
        do {
            let file = try lockedFile(at: run.leasePath, run: run)
            try file.truncate()
            let holder = Array("pid \(getpid()) on \(hostName)\n".utf8)
            try file.write(unsafe holder.span.bytes)
            return file
        } catch let error as SystemError {
            throw .notWritable(path: run.path, error)
        } catch let error as RunDirectoryError {
            throw error
        } catch {
            preconditionFailure("the lease throws no other error: \(error)")
        }
    }

    /// Whether some process holds the lease of `run` now. Blocking.
    public static func isHeld(of run: RunDirectory) -> Bool {
        guard let file = try? PosixFile.open(run.leasePath, O_RDWR) else { return false }
        return !((try? file.tryLock()) ?? false)
    }

    deinit {
        // Removed while the lock is held, so a successor's new file is never removed.
        unsafe unlink(path)
    }

    /// A file of a holder that is just ending may be removed between opening and locking: then the name is another
    /// file's, or nobody's, and the attempt is made again.
    private static func lockedFile(at path: String, run: RunDirectory) throws -> PosixFile {
        while true {
            let file = try PosixFile.open(path, O_RDWR | O_CREAT)
            guard try file.tryLock() else { throw RunDirectoryError.leased(path: run.path, holder: holder(in: file)) }
            if let named = try? PosixFile.status(of: path), try file.status().isSameFile(as: named) { return file }
        }
    }

    private static func holder(in file: borrowing PosixFile) -> String {
        var bytes = [UInt8](repeating: 0, count: 300)
        var span = bytes.mutableSpan
        var target = unsafe span.mutableBytes
        let count = (try? file.read(into: &target, at: 0)) ?? 0
        let text = String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return text.isEmpty ? "which has not written its process id yet" : text
    }

    private static var hostName: String {
        var bytes = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&bytes, bytes.count - 1) == 0 else { return "an unnamed host" }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
