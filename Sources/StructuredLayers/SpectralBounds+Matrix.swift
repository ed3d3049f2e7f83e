import LinearAlgebra

extension SpectralBounds {
    /// True bounds on the min(m, n) singular values of A [m, n]: those of gesdd, widened by its error. O(m·n·min(m, n)).
    ///
    /// gesdd is backward stable: every value errs by at most about max(m, n)·ε·σ₁ (Anderson et al., LAPACK Users' Guide, §4.9).
    static func bracket(_ a: MatrixView) throws(LAPACKError) -> SpectralBounds {
        let values = try LAPACK.singularValues(a)
        let (largest, smallest) = (Double(values.first ?? 0), Double(values.last ?? 0))
        let error = Double(max(a.rows, a.columns)) * Double(Float.ulpOfOne) * largest
        return SpectralBounds(lower: max(0, smallest - error), upper: largest + error)
    }
}
