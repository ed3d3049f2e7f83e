import COpenBLAS

extension LAPACK {
    /// Columns that sytrd takes at a time, for which it needs room.
    private static let blockColumns = 32

    /// A tridiagonal matrix with the eigenvalues of AᵀA or A·Aᵀ, whichever is smaller, of a float32 matrix A, in float64 (syrk, sytrd).
    ///
    /// They err by about max(m, n)·ε₆₄·λ₁. O(m·n·min(m, n)).
    /// - Throws: `LAPACKError` when A is not finite.
    public static func gramTridiagonal(of a: MatrixView) throws(LAPACKError) -> SymmetricTridiagonal {
        try refuseNonFinite(a, "syrk")
        let gram = SymmetricStorage<Double>(lowerGramOf: a)
        if gram.size == 0 { return SymmetricTridiagonal() }
        BLAS.useOneThread()
        var (n, leading, size, info) = (Int32(gram.size), Int32(gram.stride), Int32(blockColumns * gram.size), Int32(0))
        var (diagonal, beside) = (Array(repeating: 0.0, count: gram.size), Array(repeating: 0.0, count: gram.size))
        var (reflectors, workspace) = (beside, Array(repeating: 0.0, count: blockColumns * gram.size))
        // Our lower triangle by rows is their upper one by columns.
        unsafe dsytrd_("U", &n, gram.elements, &leading, &diagonal, &beside, &reflectors, &workspace, &size, &info)
        return SymmetricTridiagonal(diagonal: diagonal, beside: beside)
    }

    /// The same in float32, to about 10⁻⁶·λ₁ in 60 % of the time.
    ///
    /// The smallest eigenvalues may be negative. A's elements must be neither so large nor so small that their squares leave
    /// float32's range. O(m·n·min(m, n)).
    /// - Throws: `LAPACKError` when A is not finite.
    public static func roughGramTridiagonal(of a: MatrixView) throws(LAPACKError) -> SymmetricTridiagonal {
        try refuseNonFinite(a, "syrk")
        let gram = SymmetricStorage<Float>(lowerGramOf: a)
        if gram.size == 0 { return SymmetricTridiagonal() }
        BLAS.useOneThread()
        var (n, leading, size, info) = (Int32(gram.size), Int32(gram.stride), Int32(blockColumns * gram.size), Int32(0))
        var (diagonal, beside) = (Array(repeating: Float(0), count: gram.size), Array(repeating: Float(0), count: gram.size))
        var (reflectors, workspace) = (beside, Array(repeating: Float(0), count: blockColumns * gram.size))
        unsafe ssytrd_("U", &n, gram.elements, &leading, &diagonal, &beside, &reflectors, &workspace, &size, &info)
        return SymmetricTridiagonal(diagonal: diagonal.map { Double($0) }, beside: beside.map { Double($0) })
    }
}
