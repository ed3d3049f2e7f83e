import LinearAlgebra

/// What one run of Lanczos leaves: T = VᵀHV, tridiagonal, and the norm of what stays outside V.
public struct LanczosRun: Hashable, Sendable {
    /// T's diagonal; one number a product.
    public internal(set) var alphas: [Double] = []
    /// T's other diagonal, and last the norm of the residual vector: as many as `alphas`.
    public internal(set) var betas: [Double] = []

    /// The Ritz values of a run. O(m³).
    public func ritz() throws(LAPACKError) -> RitzValues {
        let m = alphas.count
        var t = DoubleMatrix(rows: m, columns: m)
        for i in 0..<m {
            t[i, i] = alphas[i]
            if i + 1 < m { (t[i, i + 1], t[i + 1, i]) = (betas[i], betas[i]) }
        }
        let (values, vectors) = try LAPACK.symmetricEigenvectors(t)
        let first = (0..<m).map { vectors[$0, 0] * vectors[$0, 0] }
        let residuals = (0..<m).map { abs((betas.last ?? 0) * vectors[$0, m - 1]) }
        return RitzValues(values: values, weights: first, residuals: residuals)
    }
}

/// T's eigenvalues, ascending.
public struct RitzValues: Hashable, Sendable {
    public let values: [Double]
    /// Squares of the eigenvectors' first components; they sum to 1. With the values, Gauss's rule for the start vector's spectral
    /// measure.
    public let weights: [Double]
    /// ‖Hy − θy‖ of each Ritz vector y: an eigenvalue lies within this distance of θ.
    public let residuals: [Double]

    /// An estimate of the largest value's error: r, or r²/gap once r is smaller than the gap to its neighbour (Parlett, 1998, ch. 11;
    /// the neighbour stands for the eigenvalue itself).
    var largestError: Double {
        guard let value = values.last, let residual = residuals.last, values.count > 1 else { return .infinity }
        let gap = value - values[values.count - 2]
        return gap > residual ? residual * residual / gap : residual
    }
}
