import COpenBLAS

extension LAPACK {
    /// gesdd of Aᵀ, which is how LAPACK reads our rows. Returns its U by columns, the values, and its Vᵀ by columns.
    static func gesdd(_ a: MatrixView, vectors: Bool) throws(LAPACKError) -> (left: Matrix, values: [Float], right: Matrix) {
        try refuseNonFinite(a, "gesdd")
        let (m, n, k) = (Int32(a.columns), Int32(a.rows), Int32(min(a.rows, a.columns)))
        // Their column-major U [m, k] is our row-major [k, m]; their Vᵀ [k, n] is our [n, k].
        var left = Matrix(rows: vectors ? Int(k) : 0, columns: Int(m))
        var right = Matrix(rows: vectors ? Int(n) : 0, columns: Int(k))
        var values = Array(repeating: Float(0), count: Int(k))
        if k == 0 { return (left, values, right) }
        BLAS.useOneThread()
        var copy = AlignedVector(a.elements)
        var (workspace, integers) = ([Float(0)], Array(repeating: Int32(0), count: 8 * Int(k)))
        var info: Int32 = 0
        for size in [Int32(-1), 0] {
            let length = size < 0 ? size : Int32(workspace.count)
            info = call(vectors ? "S" : "N", m, n, k, &copy, &values, &left, &right, &workspace, length, &integers)
            if size < 0 { workspace = Array(repeating: 0, count: max(1, Int(workspace[0]))) }
        }
        if info > 0 { throw .noConvergence(routine: "gesdd", info: Int(info)) }
        return (left, values, right)
    }

    private static func call(
        _ job: String, _ m: Int32, _ n: Int32, _ k: Int32, _ a: inout AlignedVector, _ values: inout [Float], _ left: inout Matrix,
        _ right: inout Matrix, _ workspace: inout [Float], _ length: Int32, _ integers: inout [Int32]
    ) -> Int32 {
        var (rows, columns, inner, size, info) = (m, n, k, length, Int32(0))
        var aSpan = a.mutableSpan
        var leftSpan = left.mutableSpan
        var rightSpan = right.mutableSpan
        unsafe aSpan.withUnsafeMutableBufferPointer { a in
            unsafe leftSpan.withUnsafeMutableBufferPointer { left in
                unsafe rightSpan.withUnsafeMutableBufferPointer { right in
                    unsafe sgesdd_(
                        job, &rows, &columns, a.baseAddress, &rows, &values, left.baseAddress, &rows, right.baseAddress, &inner,
                        &workspace, &size, &integers, &info)
                }
            }
        }
        return info
    }

    static func syevd(_ a: DoubleMatrix, vectors: Bool) throws(LAPACKError) -> (values: [Double], vectors: DoubleMatrix) {
        precondition(a.rows == a.columns, "a symmetric matrix is square")
        if !a.elements.allSatisfy(\.isFinite) { throw .notFinite(routine: "syevd") }
        var (result, values) = (a, Array(repeating: 0.0, count: a.rows))
        if a.rows == 0 { return (values, result) }
        BLAS.useOneThread()
        var n = Int32(a.rows)
        var (workspace, integers) = ([0.0], [Int32(0)])
        var (query, info): (Int32, Int32) = (-1, 0)
        let job = vectors ? "V" : "N"
        unsafe dsyevd_(job, "U", &n, &result.elements, &n, &values, &workspace, &query, &integers, &query, &info)
        var (size, integerSize) = (Int32(workspace[0]), integers[0])
        workspace = Array(repeating: 0, count: Int(size))
        integers = Array(repeating: 0, count: Int(integerSize))
        unsafe dsyevd_(job, "U", &n, &result.elements, &n, &values, &workspace, &size, &integers, &integerSize, &info)
        if info > 0 { throw .noConvergence(routine: "syevd", info: Int(info)) }
        return (values, result)
    }

    static func geqrf(_ factors: inout [Float], _ tau: inout [Float], _ m: Int, _ n: Int) {
        if n == 0 { return }
        BLAS.useOneThread()
        var (rows, columns, info, size) = (Int32(m), Int32(n), Int32(0), Int32(64 * n))
        var workspace = Array(repeating: Float(0), count: 64 * n)
        unsafe sgeqrf_(&rows, &columns, &factors, &rows, &tau, &workspace, &size, &info)
    }

    static func orgqr(_ factors: inout [Float], _ tau: [Float], _ m: Int, _ n: Int) {
        if n == 0 { return }
        var (rows, columns, info, size) = (Int32(m), Int32(n), Int32(0), Int32(64 * n))
        var workspace = Array(repeating: Float(0), count: 64 * n)
        unsafe sorgqr_(&rows, &columns, &columns, &factors, &rows, tau, &workspace, &size, &info)
    }

    static func gesv(_ a: [Float], _ b: inout MutableMatrixView) -> Int {
        BLAS.useOneThread()
        let (rows, columns) = (b.rows, b.columns)
        var (matrix, pivots) = (a, Array(repeating: Int32(0), count: rows))
        var sides = columnMajor(b.view)
        var (n, count, info) = (Int32(rows), Int32(columns), Int32(0))
        unsafe sgesv_(&n, &count, &matrix, &n, &pivots, &sides, &n, &info)
        for i in 0..<rows { for j in 0..<columns { b.elements[i * columns + j] = sides[j * rows + i] } }
        return Int(info)
    }

    /// getrf of Aᵀ, which is how LAPACK reads our rows; pivots from 0.
    static func getrf(_ a: inout MutableMatrixView, _ pivots: inout MutableSpan<Int32>) -> Int {
        BLAS.useOneThread()
        var (n, info) = (Int32(a.rows), Int32(0))
        unsafe a.elements.withUnsafeMutableBufferPointer { a in
            unsafe pivots.withUnsafeMutableBufferPointer { pivots in
                unsafe sgetrf_(&n, &n, a.baseAddress, &n, pivots.baseAddress, &info)
            }
        }
        for row in pivots.indices { pivots[row] -= 1 }
        return Int(info)
    }
}

extension LAPACK {
    /// The eigenvalues of a square matrix, in LAPACK's order, complex ones as conjugate pairs (geev). O(n³).
    public static func eigenvalues(_ a: DoubleMatrix) throws(LAPACKError) -> [(real: Double, imaginary: Double)] {
        precondition(a.rows == a.columns, "only a square matrix has eigenvalues")
        if !a.elements.allSatisfy(\.isFinite) { throw .notFinite(routine: "geev") }
        if a.rows == 0 { return [] }
        BLAS.useOneThread()
        // LAPACK reads Aᵀ, whose eigenvalues are A's.
        var (copy, n, info) = (a.elements, Int32(a.rows), Int32(0))
        var (real, imaginary) = (Array(repeating: 0.0, count: a.rows), Array(repeating: 0.0, count: a.rows))
        var (left, right, one, workspace) = ([0.0], [0.0], Int32(1), [0.0])
        for query in [true, false] {
            var size = query ? -1 : Int32(workspace.count)
            unsafe dgeev_("N", "N", &n, &copy, &n, &real, &imaginary, &left, &one, &right, &one, &workspace, &size, &info)
            if query { workspace = Array(repeating: 0, count: max(1, Int(workspace[0]))) }
        }
        if info > 0 { throw .noConvergence(routine: "geev", info: Int(info)) }
        return zip(real, imaginary).map { ($0, $1) }
    }

    /// The largest magnitude of an eigenvalue of a square matrix; 0 of an empty one. O(n³).
    public static func spectralRadius(_ a: DoubleMatrix) throws(LAPACKError) -> Double {
        try eigenvalues(a).reduce(0) { max($0, ($1.real * $1.real + $1.imaginary * $1.imaginary).squareRoot()) }
    }
}
