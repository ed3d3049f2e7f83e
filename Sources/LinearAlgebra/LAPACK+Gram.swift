import COpenBLAS

extension LAPACK {
    /// The eigenvalues of AᵀA or A·Aᵀ, whichever is smaller, ascending, of a float32 matrix A, in float64 (syrk, sytrd, sterf).
    ///
    /// They err by about max(m, n)·ε₆₄·λ₁. The same bits as `symmetricEigenvalues` of `DoubleMatrix.lowerGram`, without its copies.
    /// O(m·n·min(m, n)).
    /// - Throws: `LAPACKError` when A is not finite or the iteration stops.
    public static func gramEigenvalues(of a: MatrixView) throws(LAPACKError) -> [Double] {
        try refuseNonFinite(a, "syrk")
        var gram = DoubleMatrix.lowerGram(of: a)
        if gram.rows == 0 { return [] }
        BLAS.useOneThread()
        var (n, size, info) = (Int32(gram.rows), Int32(32 * gram.rows), Int32(0))
        var (diagonal, beside) = (Array(repeating: 0.0, count: gram.rows), Array(repeating: 0.0, count: gram.rows))
        var (reflectors, workspace) = (beside, Array(repeating: 0.0, count: 32 * gram.rows))
        // Our lower triangle by rows is their upper one by columns.
        unsafe dsytrd_("U", &n, &gram.elements, &n, &diagonal, &beside, &reflectors, &workspace, &size, &info)
        return try tridiagonalEigenvalues(diagonal, beside)
    }

    /// The same to about 10⁻⁶·λ₁ in half of the time: the Gram matrix and its tridiagonal form in float32, its eigenvalues in float64.
    ///
    /// The smallest ones may come out negative. A's elements must be neither so large nor so small that their squares leave
    /// float32's range. O(m·n·min(m, n)).
    /// - Throws: `LAPACKError` when A is not finite or the iteration stops.
    public static func roughGramEigenvalues(of a: MatrixView) throws(LAPACKError) -> [Double] {
        try refuseNonFinite(a, "syrk")
        let ofColumns = a.columns <= a.rows
        let (size, length) = ofColumns ? (a.columns, a.rows) : (a.rows, a.columns)
        if size == 0 { return [] }
        BLAS.useOneThread()
        var gram = Array(repeating: Float(0), count: size * size)
        let leading = Int32(a.columns)
        unsafe a.elements.withUnsafeBufferPointer { from in
            unsafe gram.withUnsafeMutableBufferPointer { to in
                unsafe cblas_ssyrk(
                    CblasRowMajor, CblasLower, ofColumns ? CblasTrans : CblasNoTrans, Int32(size), Int32(length), 1,
                    from.baseAddress, leading, 0, to.baseAddress, Int32(size))
            }
        }
        var (n, room, info) = (Int32(size), Int32(32 * size), Int32(0))
        var (diagonal, beside) = (Array(repeating: Float(0), count: size), Array(repeating: Float(0), count: size))
        var (reflectors, workspace) = (beside, Array(repeating: Float(0), count: 32 * size))
        unsafe ssytrd_("U", &n, &gram, &n, &diagonal, &beside, &reflectors, &workspace, &room, &info)
        return try tridiagonalEigenvalues(diagonal.map { Double($0) }, beside.map { Double($0) })
    }

    /// Ascending, of a symmetric tridiagonal matrix; the last element of `beside` is not read.
    private static func tridiagonalEigenvalues(_ diagonal: [Double], _ beside: [Double]) throws(LAPACKError) -> [Double] {
        if !(diagonal + beside).allSatisfy(\.isFinite) { throw .notFinite(routine: "sterf") }
        var (values, others, n, info) = (diagonal, beside, Int32(diagonal.count), Int32(0))
        unsafe dsterf_(&n, &values, &others, &info)
        if info > 0 { throw .noConvergence(routine: "sterf", info: Int(info)) }
        return values
    }
}
