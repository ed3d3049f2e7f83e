import COpenBLAS

extension LAPACK {
    /// Columns that sytrd takes at a time, for which it needs room.
    private static let blockColumns = 32

    /// The eigenvalues of AᵀA or A·Aᵀ, whichever is smaller, ascending, of a float32 matrix A, in float64 (syrk, sytrd, sterf).
    ///
    /// They err by about max(m, n)·ε₆₄·λ₁. `symmetricEigenvalues` of `DoubleMatrix.lowerGram` without its copies. O(m·n·min(m, n)).
    /// - Throws: `LAPACKError` when A is not finite or the iteration stops.
    public static func gramEigenvalues(of a: MatrixView) throws(LAPACKError) -> [Double] {
        try refuseNonFinite(a, "syrk")
        let gram = SymmetricStorage<Double>(lowerGramOf: a)
        if gram.size == 0 { return [] }
        BLAS.useOneThread()
        var (n, leading, size, info) = (Int32(gram.size), Int32(gram.stride), Int32(blockColumns * gram.size), Int32(0))
        var (diagonal, beside) = (Array(repeating: 0.0, count: gram.size), Array(repeating: 0.0, count: gram.size))
        var (reflectors, workspace) = (beside, Array(repeating: 0.0, count: blockColumns * gram.size))
        // Our lower triangle by rows is their upper one by columns.
        unsafe dsytrd_("U", &n, gram.elements, &leading, &diagonal, &beside, &reflectors, &workspace, &size, &info)
        return try tridiagonalEigenvalues(diagonal, beside)
    }

    /// The same to about 10⁻⁶·λ₁ in 60 % of the time: the Gram matrix and its tridiagonal form in float32, its eigenvalues in float64.
    ///
    /// The smallest ones may come out negative. A's elements must be neither so large nor so small that their squares leave
    /// float32's range. O(m·n·min(m, n)).
    /// - Throws: `LAPACKError` when A is not finite or the iteration stops.
    public static func roughGramEigenvalues(of a: MatrixView) throws(LAPACKError) -> [Double] {
        try refuseNonFinite(a, "syrk")
        let gram = SymmetricStorage<Float>(lowerGramOf: a)
        if gram.size == 0 { return [] }
        BLAS.useOneThread()
        var (n, leading, size, info) = (Int32(gram.size), Int32(gram.stride), Int32(blockColumns * gram.size), Int32(0))
        var (diagonal, beside) = (Array(repeating: Float(0), count: gram.size), Array(repeating: Float(0), count: gram.size))
        var (reflectors, workspace) = (beside, Array(repeating: Float(0), count: blockColumns * gram.size))
        unsafe ssytrd_("U", &n, gram.elements, &leading, &diagonal, &beside, &reflectors, &workspace, &size, &info)
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
