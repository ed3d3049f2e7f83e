import CAllocator
import Glibc

/// How the process takes memory, and what becomes of it once it is no longer needed.
public enum ProcessMemory {
    private static let largePage = 2 << 20

    /// Keeps freed memory for the next allocation: fresh pages cost five times what copying them costs. Once, before threads begin.
    public static func keepFreed() { plumb_keep_freed_memory() }

    /// Memory on a boundary of `alignment` or more, not zeroed; freed by `deallocate`.
    ///
    /// From 2 MiB on the kernel is asked for large pages: they are handed out with a 512th of the page faults, and spare the TLB. Where
    /// it refuses, small ones serve.
    static func allocate(byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer {
        let isLarge = byteCount >= largePage
        let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: isLarge ? largePage : alignment)
        if isLarge { _ = unsafe madvise(memory, byteCount & ~(largePage - 1), MADV_HUGEPAGE) }
        return unsafe memory
    }
}
