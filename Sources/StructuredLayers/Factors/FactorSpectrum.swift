import LinearAlgebra

/// The singular values of a small factor in float64, and what is proven of them.
struct FactorSpectrum: Sendable {
    /// Descending.
    let values: [Double]
    /// Of the exact values: the rounding of the computation is allowed for.
    let bounds: SpectralBounds

    /// Of A [m, n], min(m, n) values from the eigenvalues of its smaller Gram matrix in float64. O(m·n·min(m, n)).
    init(_ a: MatrixView) throws(LAPACKError) {
        let eigenvalues = try LAPACK.symmetricEigenvalues(DoubleMatrix(a).smallerGram())
        values = eigenvalues.reversed().map { max(0, $0).squareRoot() }
        // The entries of the Gram matrix and its eigenvalues err by at most a few (m + n)·ε of ‖A‖², their sum (Higham, 2002,
        // §3.5).
        let error = 4 * Double(a.rows + a.columns) * Double.ulpOfOne * eigenvalues.reduce(0) { $0 + abs($1) }
        let (smallest, largest) = (eigenvalues.first ?? 0, eigenvalues.last ?? 0)
        bounds = SpectralBounds(lower: max(0, smallest - error).squareRoot(), upper: max(0, largest + error).squareRoot())
    }

    /// Of factors that act on units of their own.
    init(union spectra: [FactorSpectrum]) {
        values = spectra.flatMap(\.values).sorted(by: >)
        bounds = SpectralBounds(
            lower: spectra.map(\.bounds.lower).min() ?? 0, upper: spectra.map(\.bounds.upper).max() ?? 0)
    }
}
