import CVectorKernels

extension VectorKernels {
    /// Σ x², in float64.
    public static func sumOfSquares(_ x: Span<Float>) -> Double {
        unsafe x.withUnsafeBufferPointer { x in
            guard let base = x.baseAddress else { return 0 }
            return unsafe kernels.sum_of_squares(base, x.count)
        }
    }

    /// Σ x·y, in float64.
    public static func dot(_ x: Span<Float>, _ y: Span<Float>) -> Double {
        precondition(x.count == y.count, "spans of one length")
        return unsafe x.withUnsafeBufferPointer { x in
            unsafe y.withUnsafeBufferPointer { y in
                guard let a = x.baseAddress, let b = y.baseAddress else { return 0 }
                return unsafe kernels.dot(a, b, x.count)
            }
        }
    }

    /// y[i] ← Σ_b a[i, b]·x[b] in float32, lane by lane: for rows of a few thousand. `a: [rows, columns]`, `x: [columns]`, `y: [rows]`.
    public static func rowProducts(_ a: MatrixView, _ x: Span<Float>, into y: inout MutableSpan<Float>) {
        precondition(x.count == a.columns && y.count == a.rows, "a product of the matrix' shape")
        let (rows, columns) = (a.rows, a.columns)
        unsafe a.elements.withUnsafeBufferPointer { a in
            unsafe x.withUnsafeBufferPointer { x in
                unsafe y.withUnsafeMutableBufferPointer { y in
                    guard let a = a.baseAddress, let x = x.baseAddress, let y = y.baseAddress else { return }
                    unsafe kernels.row_products(y, a, x, rows, columns)
                }
            }
        }
    }

    /// max |x|, 0 for no elements; a NaN wins over everything.
    public static func maximumMagnitude(_ x: Span<Float>) -> Float {
        unsafe x.withUnsafeBufferPointer { x in
            guard let base = x.baseAddress else { return 0 }
            return unsafe kernels.maximum_magnitude(base, x.count)
        }
    }

    /// Whether no element is NaN or infinite.
    public static func allFinite(_ x: Span<Float>) -> Bool { maximumMagnitude(x).isFinite }

    /// sums[i] ← Σ_b g[i, b], added to what is there if `accumulate`. `g: [rows, columns]`, `sums: [rows]`.
    public static func rowSums(_ g: MatrixView, into sums: inout MutableSpan<Float>, accumulate: Bool = false) {
        precondition(sums.count == g.rows, "one sum a row")
        let (rows, columns) = (g.rows, g.columns)
        unsafe g.elements.withUnsafeBufferPointer { g in
            unsafe sums.withUnsafeMutableBufferPointer { sums in
                guard let to = sums.baseAddress else { return }
                guard let from = g.baseAddress else {
                    if !accumulate { unsafe sums.update(repeating: 0) }
                    return
                }
                unsafe kernels.row_sums(to, from, rows, columns, accumulate ? 1 : 0)
            }
        }
    }

    /// sums[b] ← Σ_i x[i, b]², rows in ascending order, in float64. `x: [rows, columns]`, `sums: [columns]`.
    public static func columnSumsOfSquares(_ x: MatrixView, into sums: inout MutableSpan<Double>) {
        precondition(sums.count == x.columns, "one sum a column")
        let (rows, columns) = (x.rows, x.columns)
        unsafe x.elements.withUnsafeBufferPointer { x in
            unsafe sums.withUnsafeMutableBufferPointer { sums in
                guard let to = sums.baseAddress else { return }
                guard let from = x.baseAddress else { return unsafe sums.update(repeating: 0) }
                unsafe kernels.column_sums_of_squares(to, from, rows, columns)
            }
        }
    }

    /// A check of payloads: sensitive to every bit and to the order, for any length and alignment.
    public static func checksum(_ bytes: RawSpan) -> UInt32 {
        unsafe bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return unsafe kernels.checksum([0], 0) }
            return unsafe kernels.checksum(base, bytes.count)
        }
    }
}
