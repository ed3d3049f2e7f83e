/// Float32 memory on a 64-byte boundary. Its owner (`Matrix`, `AlignedVector`) copies it on write.
@safe
final class AlignedStorage: @unchecked Sendable {
    // Sendable: written only through a uniquely referenced owner, so no two threads see a write.
    static let alignment = 64

    let elements: UnsafeMutableBufferPointer<Float>
    private let byteCount: Int

    /// Zeros.
    convenience init(count: Int) { self.init(count: count, isZeroed: true) }

    /// A copy.
    convenience init(_ other: UnsafeBufferPointer<Float>) {
        self.init(count: other.count, isZeroed: false)
        if !other.isEmpty { _ = unsafe elements.update(fromContentsOf: other) }
    }

    convenience init(copying other: AlignedStorage) { unsafe self.init(UnsafeBufferPointer(other.elements)) }

    private init(count: Int, isZeroed: Bool) {
        byteCount = max(count * MemoryLayout<Float>.stride, Self.alignment)
        let (raw, isFresh) = unsafe ProcessMemory.allocate(byteCount: byteCount, alignment: Self.alignment)
        unsafe elements = UnsafeMutableBufferPointer(start: raw.bindMemory(to: Float.self, capacity: count), count: count)
        if isZeroed && !isFresh { unsafe elements.initialize(repeating: 0) }
    }

    deinit {
        if let start = unsafe elements.baseAddress { unsafe ProcessMemory.deallocate(start, byteCount: byteCount) }
    }
}
