import CVectorKernels

/// Elementwise kernels and reductions with the same bits on every machine: no libm, no contraction, sums over 16 lanes in one order.
///
/// Every function is O(count), allocates nothing, and may run on any thread. Spans that are used together have equal counts.
public enum VectorKernels {
    /// The fastest versions that this machine can run; all have the same bits.
    static let kernels = unsafe plumb_vector_kernels_best().pointee

    /// y ← y + x.
    public static func add(_ x: Span<Float>, into y: inout MutableSpan<Float>) {
        unsafe pair(x, &y) { unsafe kernels.add($1, $0, $2) }
    }

    /// y ← y + x, where `bytes` are the little-endian float32 of x at any alignment.
    public static func add(bytes: RawSpan, into y: inout MutableSpan<Float>) {
        precondition(bytes.byteCount == y.count * 4, "four bytes an element")
        unsafe bytes.withUnsafeBytes { x in
            unsafe y.withUnsafeMutableBufferPointer { y in
                guard let from = x.baseAddress, let to = y.baseAddress else { return }
                unsafe kernels.add(to, from, y.count)
            }
        }
    }

    /// y ← x, where `bytes` are the little-endian float32 of x at any alignment.
    public static func copy(bytes: RawSpan, into y: inout MutableSpan<Float>) {
        precondition(bytes.byteCount == y.count * 4, "four bytes an element")
        unsafe bytes.withUnsafeBytes { x in
            unsafe y.withUnsafeMutableBytes { y in unsafe y.copyMemory(from: x) }
        }
    }

    /// y ← x.
    public static func copy(_ x: Span<Float>, into y: inout MutableSpan<Float>) { unsafe copy(bytes: x.bytes, into: &y) }

    /// y ← value.
    public static func fill(_ y: inout MutableSpan<Float>, with value: Float) { y.update(repeating: value) }

    /// y ← y − x.
    public static func subtract(_ x: Span<Float>, from y: inout MutableSpan<Float>) {
        unsafe pair(x, &y) { unsafe kernels.subtract($1, $0, $2) }
    }

    /// y ← y ⊙ x.
    public static func multiply(_ y: inout MutableSpan<Float>, by x: Span<Float>) {
        unsafe pair(x, &y) { unsafe kernels.multiply($1, $0, $2) }
    }

    /// y ← a·y.
    public static func scale(_ y: inout MutableSpan<Float>, by factor: Float) {
        unsafe alone(&y) { unsafe kernels.scale($0, factor, $1) }
    }

    /// y ← y + a·x.
    public static func axpy(_ alpha: Float, _ x: Span<Float>, into y: inout MutableSpan<Float>) {
        unsafe pair(x, &y) { unsafe kernels.axpy($1, alpha, $0, $2) }
    }

    /// y ← e^y, to 2 ulp; overflows to infinity, a NaN stays.
    public static func exp(_ y: inout MutableSpan<Float>) { unsafe alone(&y) { unsafe kernels.exp($0, $1) } }

    /// y ← tanh y, to 2 ulp; a NaN stays.
    public static func tanh(_ y: inout MutableSpan<Float>) { unsafe alone(&y) { unsafe kernels.tanh($0, $1) } }

    static func pair(
        _ x: Span<Float>, _ y: inout MutableSpan<Float>, _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
    ) {
        precondition(x.count == y.count, "spans of one length")
        unsafe x.withUnsafeBufferPointer { x in
            unsafe y.withUnsafeMutableBufferPointer { y in
                guard let from = x.baseAddress, let to = y.baseAddress else { return }
                unsafe body(from, to, y.count)
            }
        }
    }

    static func alone(_ y: inout MutableSpan<Float>, _ body: (UnsafeMutablePointer<Float>, Int) -> Void) {
        unsafe y.withUnsafeMutableBufferPointer { y in
            guard let base = y.baseAddress else { return }
            unsafe body(base, y.count)
        }
    }
}
