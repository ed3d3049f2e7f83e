import CAllocator

/// How the process treats memory that it no longer needs.
public enum ProcessMemory {
    /// Keeps freed memory for the next allocation: fresh pages cost five times what copying them costs. Once, before threads begin.
    public static func keepFreed() { plumb_keep_freed_memory() }
}
