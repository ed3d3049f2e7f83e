import Glibc

/// Room for the lower triangle of a symmetric matrix [n, n] of float32 or float64, by rows; not zeroed.
///
/// Rows begin on 64-byte boundaries and not all on the same sets of the cache: with rows of 8 KiB dsytrd takes 63 ms at n = 1024, with
/// rows 64 bytes longer 56 ms (AMD EPYC, one core). From 2 MiB on the kernel is asked for large pages: 8 MB that are made anew for each
/// matrix would cost 2,000 page faults.
@safe
struct SymmetricStorage<Element: BinaryFloatingPoint>: ~Copyable {
    /// n.
    let size: Int
    /// From one row to the next, in elements.
    let stride: Int
    let elements: UnsafeMutablePointer<Element>

    private static var line: Int { 64 }
    private static var largePage: Int { 2 << 20 }

    init(size: Int) {
        let perLine = Self.line / MemoryLayout<Element>.stride
        let lines = (size + perLine - 1) / perLine
        self.size = size
        // An odd number of lines meets every set.
        stride = max(1, lines | 1) * perLine
        let bytes = max(1, size) * stride * MemoryLayout<Element>.stride
        let isLarge = bytes >= Self.largePage
        let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: isLarge ? Self.largePage : Self.line)
        // Where it is refused, small pages serve.
        if isLarge { _ = unsafe madvise(raw, bytes, MADV_HUGEPAGE) }
        unsafe elements = raw.bindMemory(to: Element.self, capacity: max(1, size) * stride)
    }

    deinit { unsafe elements.deallocate() }
}
