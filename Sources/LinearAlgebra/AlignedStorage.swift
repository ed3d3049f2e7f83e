#if os(Linux)
    import Glibc
#endif

/// Float32 memory on a 64-byte boundary, zeroed when made. Its owner (`Matrix`, `AlignedVector`) copies it on write.
@safe
final class AlignedStorage: @unchecked Sendable {
    // Sendable: written only through a uniquely referenced owner, so no two threads see a write.
    static let alignment = 64
    /// Memory of this size and more is asked for in large pages: the kernel hands them out 512 times as fast, and they spare the TLB.
    private static let largePage = 2 << 20

    let elements: UnsafeMutableBufferPointer<Float>

    init(count: Int) {
        let bytes = max(count * MemoryLayout<Float>.stride, Self.alignment)
        let isLarge = bytes >= Self.largePage
        let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: isLarge ? Self.largePage : Self.alignment)
        #if os(Linux)
            // A kernel that has no such pages refuses, and nothing is lost.
            if isLarge { _ = unsafe madvise(raw, bytes & ~(Self.largePage - 1), MADV_HUGEPAGE) }
        #endif
        unsafe elements = UnsafeMutableBufferPointer(start: raw.bindMemory(to: Float.self, capacity: count), count: count)
        unsafe elements.initialize(repeating: 0)
    }

    convenience init(copying other: AlignedStorage) {
        self.init(count: unsafe other.elements.count)
        _ = unsafe elements.update(fromContentsOf: other.elements)
    }

    deinit { unsafe elements.baseAddress?.deallocate() }
}
