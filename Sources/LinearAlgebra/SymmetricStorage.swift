/// Room for the lower triangle of a symmetric matrix [n, n] of float32 or float64, by rows; not zeroed.
///
/// Rows begin on 64-byte boundaries and not all on the same sets of the cache: with rows of 8 KiB dsytrd takes 63 ms at n = 1024, with
/// rows 64 bytes longer 56 ms (AMD EPYC, one core).
@safe
struct SymmetricStorage<Element: BinaryFloatingPoint>: ~Copyable {
    /// n.
    let size: Int
    /// From one row to the next, in elements.
    let stride: Int
    let elements: UnsafeMutablePointer<Element>
    private let byteCount: Int

    private static var line: Int { 64 }

    init(size: Int) {
        let perLine = Self.line / MemoryLayout<Element>.stride
        let lines = (size + perLine - 1) / perLine
        self.size = size
        // An odd number of lines meets every set.
        stride = max(1, lines | 1) * perLine
        byteCount = max(1, size) * stride * MemoryLayout<Element>.stride
        let (raw, _) = unsafe ProcessMemory.allocate(byteCount: byteCount, alignment: Self.line)
        unsafe elements = raw.bindMemory(to: Element.self, capacity: max(1, size) * stride)
    }

    deinit { unsafe ProcessMemory.deallocate(elements, byteCount: byteCount) }
}
