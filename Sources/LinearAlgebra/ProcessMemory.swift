import CAllocator

/// How the process takes memory, and what becomes of it once it is no longer needed.
public enum ProcessMemory {
    /// Keeps freed memory for the next allocation: fresh pages cost five times what copying them costs. Once, before threads begin.
    public static func keepFreed() {
        plumb_keep_freed_memory()
        LargeBlocks.process.keepFreed()
    }

    /// Memory on a boundary of `alignment` or more, freed by `deallocate` with the same count; and whether it is zeroed.
    static func allocate(byteCount: Int, alignment: Int) -> (memory: UnsafeMutableRawPointer, isZeroed: Bool) {
        if byteCount >= LargeBlocks.smallest { return unsafe LargeBlocks.process.allocate(byteCount: byteCount) }
        return (UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: alignment), false)
    }

    static func deallocate(_ memory: UnsafeMutableRawPointer, byteCount: Int) {
        if byteCount < LargeBlocks.smallest {
            unsafe memory.deallocate()
        } else {
            unsafe LargeBlocks.process.deallocate(memory, byteCount: byteCount)
        }
    }
}
