import COpenBLAS

/// Which half of a triangular matrix is read.
public enum Triangle: Sendable { case upper, lower }

/// Faces of OpenBLAS on views, always on one thread: a second one would change the bits.
public enum BLAS {
    private static let oneThread: Void = {
        openblas_set_num_threads(1)
        plumb_blas_end_threads()
    }()

    /// Holds OpenBLAS to one thread in this process, and ends those it has started; every call here does so first.
    public static func useOneThread() { oneThread }

    /// C ← alpha·op(A)·op(B) + beta·C. Shapes: op(A) [m, k], op(B) [k, n], C [m, n]. O(m·n·k).
    public static func gemm(
        _ a: MatrixView, transposeA: Bool = false, _ b: MatrixView, transposeB: Bool = false, alpha: Float = 1, beta: Float = 0,
        into c: inout MutableMatrixView
    ) {
        let (m, k) = transposeA ? (a.columns, a.rows) : (a.rows, a.columns)
        let (inner, n) = transposeB ? (b.columns, b.rows) : (b.rows, b.columns)
        precondition(k == inner && c.rows == m && c.columns == n, "gemm: the shapes do not fit")
        useOneThread()
        let call = GEMMCall(transposeA: transposeA, transposeB: transposeB, m: m, n: n, k: k, alpha: alpha, beta: beta)
        unsafe a.elements.withUnsafeBufferPointer { a in
            unsafe b.elements.withUnsafeBufferPointer { b in
                unsafe c.elements.withUnsafeMutableBufferPointer { c in
                    guard let c = c.baseAddress else { return }
                    unsafe call.run(a.baseAddress, b.baseAddress, c)
                }
            }
        }
    }

    /// y ← alpha·op(A)·x + beta·y. O(rows·columns).
    public static func gemv(
        _ a: MatrixView, transposed: Bool = false, _ x: Span<Float>, alpha: Float = 1, beta: Float = 0,
        into y: inout MutableSpan<Float>
    ) {
        precondition(x.count == (transposed ? a.rows : a.columns) && y.count == (transposed ? a.columns : a.rows), "gemv: shapes")
        useOneThread()
        let (rows, columns) = (Int32(a.rows), Int32(a.columns))
        unsafe a.elements.withUnsafeBufferPointer { a in
            unsafe x.withUnsafeBufferPointer { x in
                unsafe y.withUnsafeMutableBufferPointer { y in
                    unsafe cblas_sgemv(
                        CblasRowMajor, transposed ? CblasTrans : CblasNoTrans, rows, columns, alpha, a.baseAddress, max(1, columns),
                        x.baseAddress, 1, beta, y.baseAddress, 1)
                }
            }
        }
    }

    /// B ← op(A)⁻¹·B for triangular A [n, n] and B [n, columns]; only `uplo` of A is read. O(n²·columns).
    public static func solveTriangular(
        _ a: MatrixView, uplo: Triangle, transposed: Bool = false, unitDiagonal: Bool = false,
        rightHandSides b: inout MutableMatrixView
    ) {
        precondition(a.rows == a.columns && b.rows == a.rows, "trsm: the shapes do not fit")
        useOneThread()
        let (n, columns) = (Int32(a.rows), Int32(b.columns))
        unsafe a.elements.withUnsafeBufferPointer { a in
            unsafe b.elements.withUnsafeMutableBufferPointer { b in
                unsafe cblas_strsm(
                    CblasRowMajor, CblasLeft, uplo == .upper ? CblasUpper : CblasLower, transposed ? CblasTrans : CblasNoTrans,
                    unitDiagonal ? CblasUnit : CblasNonUnit, n, columns, 1, a.baseAddress, max(1, n), b.baseAddress, max(1, columns)
                )
            }
        }
    }
}

extension BLAS {
    /// AᵀA if `ofColumns`, else A·Aᵀ, in float64, both triangles filled.
    static func gram(_ a: DoubleMatrix, ofColumns: Bool) -> DoubleMatrix {
        let (n, k) = ofColumns ? (a.columns, a.rows) : (a.rows, a.columns)
        var result = DoubleMatrix(rows: n, columns: n)
        if n == 0 || k == 0 { return result }
        useOneThread()
        unsafe a.elements.withUnsafeBufferPointer { from in
            unsafe result.elements.withUnsafeMutableBufferPointer { to in
                unsafe cblas_dsyrk(
                    CblasRowMajor, CblasUpper, ofColumns ? CblasTrans : CblasNoTrans, Int32(n), Int32(k), 1, from.baseAddress,
                    Int32(a.columns), 0, to.baseAddress, Int32(n))
            }
        }
        for i in 0..<n { for j in 0..<i { result[i, j] = result[j, i] } }
        return result
    }

    /// op(A)·op(B) in float64.
    static func product(_ a: DoubleMatrix, _ transposeA: Bool, _ b: DoubleMatrix, _ transposeB: Bool) -> DoubleMatrix {
        let (m, k) = transposeA ? (a.columns, a.rows) : (a.rows, a.columns)
        let (inner, n) = transposeB ? (b.columns, b.rows) : (b.rows, b.columns)
        precondition(k == inner, "gemm: the shapes do not fit")
        var result = DoubleMatrix(rows: m, columns: n)
        if m == 0 || n == 0 || k == 0 { return result }
        useOneThread()
        unsafe a.elements.withUnsafeBufferPointer { left in
            unsafe b.elements.withUnsafeBufferPointer { right in
                unsafe result.elements.withUnsafeMutableBufferPointer { to in
                    unsafe cblas_dgemm(
                        CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, Int32(m),
                        Int32(n), Int32(k), 1, left.baseAddress, Int32(a.columns), right.baseAddress, Int32(b.columns), 0,
                        to.baseAddress, Int32(n))
                }
            }
        }
        return result
    }
}
