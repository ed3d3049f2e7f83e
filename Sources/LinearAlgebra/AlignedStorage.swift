/// Float32 memory on a 64-byte boundary, zeroed when made. Its owner (`Matrix`, `AlignedVector`) copies it on write.
@safe
final class AlignedStorage: @unchecked Sendable {
    // Sendable: written only through a uniquely referenced owner, so no two threads see a write.
    static let alignment = 64

    let elements: UnsafeMutableBufferPointer<Float>

    init(count: Int) {
        let bytes = max(count * MemoryLayout<Float>.stride, Self.alignment)
        let raw = unsafe ProcessMemory.allocate(byteCount: bytes, alignment: Self.alignment)
        unsafe elements = UnsafeMutableBufferPointer(start: raw.bindMemory(to: Float.self, capacity: count), count: count)
        unsafe elements.initialize(repeating: 0)
    }

    convenience init(copying other: AlignedStorage) {
        self.init(count: unsafe other.elements.count)
        _ = unsafe elements.update(fromContentsOf: other.elements)
    }

    deinit { unsafe elements.baseAddress?.deallocate() }
}
