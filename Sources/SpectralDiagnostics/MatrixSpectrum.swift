import LinearAlgebra

/// D1, D3, D4 and D7 of one matrix [m, n]: its singular values and what follows from them.
///
/// Tier T1; O(m·n·min(m, n)). Total: every matrix gets values or reasons, never a crash or a plausible number.
/// Oracles: closed forms, SciPy's svdvals.
public struct MatrixSpectrum: Sendable {
    /// Descending, min(m, n) of them, to about ε·σ₁ each (gesdd); empty when they cannot be had, as the other fields then say.
    public let singularValues: [Float]
    /// σ₁.
    public let spectralNorm: Measured
    /// ‖W‖_F, summed in float64.
    public let frobeniusNorm: Measured
    /// ‖W‖_F²/σ₁², between 1 and the rank.
    public let stableRank: Measured
    /// exp(−Σ p ln p), p = σ/Σσ (Roy and Vetterli, 2007).
    public let effectiveRank: Measured
    /// σ₁/σ_min; n/a when σ_min is below max(m, n)·ε·σ₁, where it is a rounding error.
    public let conditionNumber: Measured
    /// ‖WᵀW − I‖_F/√n, or of W·Wᵀ when that is smaller, in float64: 0 for an isometry.
    public let orthogonalityError: Measured

    /// Examines a matrix.
    public init(of w: MatrixView) {
        let norm = VectorKernels.sumOfSquares(w.elements).squareRoot()
        if let reason = Self.reasonAgainst(w) {
            (singularValues, spectralNorm, frobeniusNorm) = ([], .unavailable(reason), .unavailable(reason))
            (stableRank, effectiveRank, conditionNumber) = (.unavailable(reason), .unavailable(reason), .unavailable(reason))
            orthogonalityError = .unavailable(reason)
            return
        }
        frobeniusNorm = .value(norm)
        orthogonalityError = .value(Self.orthogonality(w))
        guard let values = try? LAPACK.singularValues(w), let first = values.first, let last = values.last else {
            let reason = "the singular value decomposition did not converge"
            singularValues = []
            (spectralNorm, stableRank) = (.unavailable(reason), .unavailable(reason))
            (effectiveRank, conditionNumber) = (.unavailable(reason), .unavailable(reason))
            return
        }
        singularValues = values
        let (largest, smallest) = (Double(first), Double(last))
        let resolution = Double(max(w.rows, w.columns)) * Double(Float.ulpOfOne) * largest
        spectralNorm = .value(largest, uncertainty: resolution)
        if largest == 0 {
            stableRank = .unavailable("all elements are zero")
            effectiveRank = .unavailable("all elements are zero")
            conditionNumber = .unavailable("all elements are zero")
            return
        }
        stableRank = .value(norm * norm / (largest * largest))
        effectiveRank = .value(Self.effectiveRank(values))
        let text = "rank deficient: the smallest singular value, \(smallest), is below what float32 resolves"
        conditionNumber = smallest < resolution ? .unavailable(text) : .value(largest / smallest)
    }

    private static func reasonAgainst(_ w: MatrixView) -> String? {
        if w.rows == 0 || w.columns == 0 { return "the matrix is empty" }
        return VectorKernels.allFinite(w.elements) ? nil : "the matrix holds NaN or infinity"
    }

    private static func orthogonality(_ w: MatrixView) -> Double {
        let gram = DoubleMatrix(w).smallerGram()
        var sum = 0.0
        for i in 0..<gram.rows {
            for j in 0..<gram.columns {
                let difference = gram[i, j] - (i == j ? 1 : 0)
                sum += difference * difference
            }
        }
        return (sum / Double(gram.rows)).squareRoot()
    }

    private static func effectiveRank(_ values: [Float]) -> Double {
        var (sum, entropy) = (0.0, 0.0)
        for value in values { sum += Double(value) }
        for value in values where value > 0 {
            let p = Double(value) / sum
            entropy -= p * ScalarMath.log(p)
        }
        return ScalarMath.exp(entropy)
    }
}
