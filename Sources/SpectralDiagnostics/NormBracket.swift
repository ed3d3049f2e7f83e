import LinearAlgebra

/// D2: σ₁ of a matrix W between two bounds that hold whatever rounding did.
///
/// Where all singular values are known, σ₁ less and plus its error. Where only the largest are, the lower bound is the Ritz value less its
/// residual, and the upper one comes from six steps of Gram iteration G ← GᵀG in float64, σ₁² ≤ ‖G^(2⁶)‖_F^(2⁻⁶) (Delattre, Barthélemy,
/// Araujo and Allauzen, 2023), above σ₁ by a factor of at most n^(2⁻⁸): 1.03 for n = 1024.
/// Tier T1; O(1) beside the whole spectrum, O(min(m, n)³) a Gram step. Oracles: NumPy's SVD, gesdd.
public struct NormBracket: Hashable, Sendable {
    public let lower: Measured
    public let upper: Measured

    private static let gramSteps = 6

    /// The bounds on the largest of the matrices' singular values, whose spectrum is known.
    public init(_ spectrum: MatrixSpectrum, of matrices: [Matrix]) {
        guard let value = spectrum.spectralNorm.number, let error = spectrum.spectralNorm.uncertainty else {
            (lower, upper) = (spectrum.spectralNorm, spectrum.spectralNorm)
            return
        }
        lower = .value(max(0, value - error))
        if spectrum.isComplete {
            upper = .value(value + error)
        } else {
            upper = .value(matrices.reduce(0) { max($0, Self.gramBound($1.view)) })
        }
    }

    /// At least σ₁, of a matrix whose elements are finite.
    static func gramBound(_ w: MatrixView) -> Double {
        let squares = VectorKernels.sumOfSquares(w.elements)
        if squares == 0 { return 0 }
        let (size, length) = (min(w.rows, w.columns), max(w.rows, w.columns))
        var gram = DoubleMatrix.lowerGram(of: w).mirrored()
        let first = normalise(&gram)
        // ‖Ĝ‖₂² ≤ ‖fl(Ĝ²)‖₂ + γ for ‖Ĝ‖_F = 1; f holds the norms of what each step made.
        var f: [Double] = []
        for _ in 0..<gramSteps {
            gram = gram.columnGram()
            f.append(normalise(&gram))
        }
        let gamma = 4 * Double(size + 2) * Double.ulpOfOne
        var bound = 1 + gamma
        for norm in f.reversed() { bound = (norm * bound + gamma).squareRoot() }
        let rounding = 4 * Double(length + 2) * Double.ulpOfOne * squares
        return (first * bound + rounding).squareRoot() * (1 + gamma)
    }

    /// ‖G‖_F, by which G is divided.
    private static func normalise(_ gram: inout DoubleMatrix) -> Double {
        let scale = gram.elements.reduce(0) { max($0, abs($1)) }
        let norm = scale * gram.elements.reduce(0) { $0 + ($1 / scale) * ($1 / scale) }.squareRoot()
        for index in gram.elements.indices { gram.elements[index] /= norm }
        return norm
    }
}
