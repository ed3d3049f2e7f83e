import COpenBLAS

/// A = U·diag(values)·Vᵀ in its thin form: U [rows, k], values [k] descending, Vᵀ [k, columns], k = min(rows, columns).
public struct SingularValueDecomposition: Sendable {
    public let u: Matrix
    public let values: [Float]
    public let vTransposed: Matrix
}

/// Faces of LAPACK on views, always on one thread. Inputs that are not finite are refused: some routines would not return.
public enum LAPACK {
    /// The singular values of A [m, n], descending, min(m, n) of them (gesdd). O(m·n·min(m, n)).
    public static func singularValues(_ a: MatrixView) throws(LAPACKError) -> [Float] {
        try gesdd(a, vectors: false).values
    }

    /// The thin singular value decomposition of A [m, n] (gesdd). O(m·n·min(m, n)).
    public static func singularValueDecomposition(_ a: MatrixView) throws(LAPACKError) -> SingularValueDecomposition {
        let (left, values, right) = try gesdd(a, vectors: true)
        // LAPACK saw Aᵀ: its U is our V, its Vᵀ is our Uᵀ; both are stored by columns, which is how we read rows.
        return SingularValueDecomposition(u: right, values: values, vTransposed: left)
    }

    /// The eigenvalues of a symmetric matrix, ascending (syevd); only the lower triangle is read. O(n³).
    public static func symmetricEigenvalues(_ a: DoubleMatrix) throws(LAPACKError) -> [Double] {
        try syevd(a, vectors: false).values
    }

    /// Eigenvalues, ascending, and eigenvectors as the rows of `vectors` (syevd); only the lower triangle is read. O(n³).
    public static func symmetricEigenvectors(_ a: DoubleMatrix) throws(LAPACKError) -> (values: [Double], vectors: DoubleMatrix) {
        try syevd(a, vectors: true)
    }

    /// A = Q·R for A [m, n], m ≥ n: Q [m, n] with orthonormal columns, R [n, n] upper triangular (geqrf, orgqr). O(m·n²).
    public static func qr(_ a: MatrixView) throws(LAPACKError) -> (q: Matrix, r: Matrix) {
        precondition(a.rows >= a.columns, "a thin QR needs at least as many rows as columns")
        try refuseNonFinite(a, "geqrf")
        let (m, n) = (a.rows, a.columns)
        var factors = columnMajor(a)
        var tau = Array(repeating: Float(0), count: n)
        geqrf(&factors, &tau, m, n)
        var r = Matrix(rows: n, columns: n)
        for j in 0..<n { for i in 0...j { r[i, j] = factors[j * m + i] } }
        orgqr(&factors, tau, m, n)
        var q = Matrix(rows: m, columns: n)
        for j in 0..<n { for i in 0..<m { q[i, j] = factors[j * m + i] } }
        return (q, r)
    }

    /// B ← A⁻¹·B for square A [n, n] and B [n, columns] (gesv). O(n³).
    public static func solve(_ a: MatrixView, rightHandSides b: inout MutableMatrixView) throws(LAPACKError) {
        precondition(a.rows == a.columns && b.rows == a.rows, "gesv: the shapes do not fit")
        try refuseNonFinite(a, "gesv")
        if a.rows == 0 || b.columns == 0 { return }
        let info = gesv(columnMajor(a), &b)
        if info > 0 { throw .singular(routine: "gesv", pivot: info) }
    }

    /// Overwrites A [n, n] with its triangular factors, for `solve(factors:pivots:…)`: row i was exchanged with row `pivots[i]` (getrf).
    /// O(n³).
    public static func factorise(_ a: inout MutableMatrixView, pivots: inout MutableSpan<Int32>) throws(LAPACKError) {
        precondition(a.rows == a.columns && pivots.count == a.rows, "getrf: the shapes do not fit")
        try refuseNonFinite(a.view, "getrf")
        if a.rows == 0 { return }
        let info = getrf(&a, &pivots)
        if info > 0 { throw .singular(routine: "getrf", pivot: info) }
    }

    /// B ← op(A)⁻¹·B for B [n, columns], from the factors of A [n, n]. Allocates nothing. O(n²·columns).
    public static func solve(
        factors: MatrixView, pivots: Span<Int32>, transposed: Bool = false, rightHandSides b: inout MutableMatrixView
    ) {
        precondition(factors.rows == factors.columns && pivots.count == factors.rows && b.rows == factors.rows, "getrs: shapes")
        // LAPACK factored Aᵀ = Π·L·U; read by rows, what it left is Uᵀ below and Lᵀ, with ones on its diagonal, above: A = Uᵀ·Lᵀ·Πᵀ.
        if transposed {
            for row in 0..<b.rows { exchange(row, Int(pivots[row]), of: &b) }
            BLAS.solveTriangular(factors, uplo: .upper, transposed: true, unitDiagonal: true, rightHandSides: &b)
            BLAS.solveTriangular(factors, uplo: .lower, transposed: true, rightHandSides: &b)
        } else {
            BLAS.solveTriangular(factors, uplo: .lower, rightHandSides: &b)
            BLAS.solveTriangular(factors, uplo: .upper, unitDiagonal: true, rightHandSides: &b)
            for row in (0..<b.rows).reversed() { exchange(row, Int(pivots[row]), of: &b) }
        }
    }

    private static func exchange(_ row: Int, _ other: Int, of b: inout MutableMatrixView) {
        if row == other { return }
        let columns = b.columns
        for column in 0..<columns { b.elements.swapAt(row * columns + column, other * columns + column) }
    }

    static func refuseNonFinite(_ a: MatrixView, _ routine: String) throws(LAPACKError) {
        if !VectorKernels.allFinite(a.elements) { throw .notFinite(routine: routine) }
    }

    static func columnMajor(_ a: MatrixView) -> [Float] {
        var elements = Array(repeating: Float(0), count: a.rows * a.columns)
        for i in 0..<a.rows { for j in 0..<a.columns { elements[j * a.rows + i] = a.elements[i * a.columns + j] } }
        return elements
    }
}
