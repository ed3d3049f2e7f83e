import LinearAlgebra

/// D1: a histogram of singular values over their logarithms, for TensorBoard and for people.
///
/// Bins of equal width in log₁₀ σ from the smallest σ above 10⁻¹²·σ₁ to σ₁; values below go to `below`. Tier T1; O(k).
public struct SpectrumHistogram: Hashable, Sendable {
    /// One more than bins, ascending.
    public let edges: [Double]
    public let counts: [Int]
    /// How many singular values are 0 or below 10⁻¹²·σ₁.
    public let below: Int

    /// Without bins when no value is positive and finite; with one bin when all are equal.
    public init(_ singularValues: [Double], bins: Int = 64) {
        precondition(bins > 0, "a histogram has bins")
        let largest = singularValues.reduce(0) { $1.isFinite ? max($0, $1) : $0 }
        let kept = singularValues.filter { $0.isFinite && $0 > 1e-12 * largest && $0 > 0 }
        below = singularValues.count - kept.count
        guard let smallest = kept.min() else {
            (edges, counts) = ([], [])
            return
        }
        let (low, high) = (ScalarMath.log(smallest), ScalarMath.log(largest))
        if high <= low {
            (edges, counts) = ([smallest, largest], [kept.count])
            return
        }
        var counts = Array(repeating: 0, count: bins)
        for value in kept {
            counts[min(bins - 1, max(0, Int((ScalarMath.log(value) - low) / (high - low) * Double(bins))))] += 1
        }
        self.counts = counts
        edges = (0...bins).map { ScalarMath.exp(low + (high - low) * Double($0) / Double(bins)) }
    }
}
