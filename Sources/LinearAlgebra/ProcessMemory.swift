import CAllocator

/// How the process takes memory, and what becomes of it once it is no longer needed.
public enum ProcessMemory {
    private static let large = 2 << 20

    /// Keeps freed memory for the next allocation: fresh pages cost five times what copying them costs. Once, before threads begin.
    public static func keepFreed() { plumb_keep_freed_memory() }

    /// Memory on a boundary of `alignment` or more, freed by `deallocate` with the same count; and whether it is zeroed.
    ///
    /// From 2 MiB on the kernel is asked for large pages: they are handed out with a 512th of the page faults, and spare the TLB. Where
    /// it refuses, small ones serve.
    static func allocate(byteCount: Int, alignment: Int) -> (memory: UnsafeMutableRawPointer, isZeroed: Bool) {
        if byteCount < large {
            return (UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: alignment), false)
        }
        var isZeroed = false
        guard let memory = unsafe plumb_take_large(byteCount, &isZeroed) else { fatalError("no memory for \(byteCount) bytes") }
        return unsafe (memory, isZeroed)
    }

    static func deallocate(_ memory: UnsafeMutableRawPointer, byteCount: Int) {
        if byteCount < large { unsafe memory.deallocate() } else { unsafe plumb_give_large(memory, byteCount) }
    }
}
