import CAllocator

/// Blocks of 2 MiB and more, which the process maps itself instead of taking them from the heap. Any thread.
@safe
final class LargeBlocks: @unchecked Sendable {
    // Sendable: the C side has a lock.
    static let process = unsafe LargeBlocks(plumb_large_blocks_of_process(), isOwner: false)
    static let smallest = 2 << 20

    private let blocks: OpaquePointer
    private let isOwner: Bool

    private init(_ blocks: OpaquePointer, isOwner: Bool) { unsafe (self.blocks, self.isOwner) = (blocks, isOwner) }

    /// Apart from the process's.
    convenience init() {
        guard let blocks = unsafe plumb_large_blocks_make() else { fatalError("no memory for a few words") }
        unsafe self.init(blocks, isOwner: true)
    }

    deinit { if isOwner { unsafe plumb_large_blocks_end(blocks) } }

    /// Keeps what is freed for later blocks, up to 64 MiB more than were ever in use.
    func keepFreed() { unsafe plumb_large_blocks_keep(blocks) }

    /// Bytes in use and kept.
    var held: Int { unsafe plumb_large_blocks_held(blocks) }

    /// Memory on a boundary of 2 MiB, freed by `deallocate` with the same count; and whether it is zeroed.
    ///
    /// The kernel is asked for large pages: they are handed out with a 512th of the page faults, and spare the TLB. Where it refuses, small
    /// ones serve.
    func allocate(byteCount: Int) -> (memory: UnsafeMutableRawPointer, isZeroed: Bool) {
        var isZeroed = false
        guard let memory = unsafe plumb_large_blocks_take(blocks, byteCount, &isZeroed) else {
            fatalError("no memory for \(byteCount) bytes")
        }
        return unsafe (memory, isZeroed)
    }

    func deallocate(_ memory: UnsafeMutableRawPointer, byteCount: Int) { unsafe plumb_large_blocks_give(blocks, memory, byteCount) }
}
