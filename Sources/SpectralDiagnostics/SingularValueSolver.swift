import LinearAlgebra

/// How all singular values of one matrix [m, n] of float32 are found.
///
/// By the eigenvalues of the smaller Gram matrix in float64: of the routes measured here on one core it is the fastest, 94 ms at 1024²
/// where gesdd takes 138 ms in float32 and 246 ms in float64. It squares the condition number, so σ errs by about ε₆₄·σ₁²/σ; where
/// σ_min < 10⁻⁶·σ₁ the matrix goes to gesdd in float64 instead, which errs by about max(m, n)·ε₆₄·σ₁ everywhere and reduces tall
/// matrices by QR first.
enum SingularValueSolver {
    /// Below this part of the largest eigenvalue the smallest one is not trusted.
    private static let eigenvalueFloor = 1e-12

    /// Descending, min(m, n) of them. `w` is finite. O(m·n·min(m, n)).
    static func values(_ w: MatrixView) throws(LAPACKError) -> [Double] {
        let eigenvalues = try LAPACK.gramEigenvalues(of: w)
        guard let smallest = eigenvalues.first, let largest = eigenvalues.last else { return [] }
        if smallest < eigenvalueFloor * largest { return try LAPACK.singularValues(DoubleMatrix(w)) }
        return eigenvalues.reversed().map { $0.squareRoot() }
    }

    /// The same by a float32 Gram matrix, σ² to about 10⁻⁶·σ₁², those that come out negative as 0; nil for matrices smaller than 128, of
    /// which nothing is gained, and where the elements' squares would leave float32's range. `w` is finite. O(m·n·min(m, n)).
    static func roughValues(_ w: MatrixView) -> [Double]? {
        let squares = VectorKernels.sumOfSquares(w.elements)
        guard min(w.rows, w.columns) >= 128, squares < 1e30, squares > 1e-24 * Double(w.elements.count) else { return nil }
        return try? LAPACK.roughGramEigenvalues(of: w).reversed().map { max(0, $0).squareRoot() }
    }
}
