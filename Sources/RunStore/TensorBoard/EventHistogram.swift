import Foundation

/// How the logarithms (base 10) of a matrix's singular values are spread, in at most 64 buckets of equal width.
///
/// Buckets are centred on multiples of a width of 0.01 · 2ᵏ decades, so that the spectra of many steps share them and rounding about
/// σ = 1 falls into one. What float32 cannot tell from zero, σ < 2⁻²⁴ σ₁, counts as 2⁻²⁴ σ₁.
struct EventHistogram: Hashable, Sendable {
    let smallest: Double
    let largest: Double
    let count: Int
    let sum: Double
    let sumOfSquares: Double
    /// Of each bucket, ascending; the first bucket is always empty, since TensorBoard lets it begin at minus infinity.
    let upperEdges: [Double]
    let counts: [Int]

    /// The spread of `singularValues`, in any order; nil when there is none that is positive, or one that is not finite. O(count).
    init?(singularValues: [Float]) {
        guard let top = singularValues.max(), top > 0, singularValues.allSatisfy(\.isFinite) else { return nil }
        let floor = Double(top) * 0x1p-24
        let logs = singularValues.map { log10(max(Double($0), floor)) }
        let (low, high) = (logs.reduce(.infinity, min), logs.reduce(-.infinity, max))
        var width = 0.01
        while high - low > width * 62 { width *= 2 }
        let first = (low / width).rounded()
        var counts = Array(repeating: 0, count: Int((high / width).rounded() - first) + 2)
        for value in logs { counts[Int((value / width).rounded() - first) + 1] += 1 }
        self.counts = counts
        upperEdges = counts.indices.map { (first + Double($0) - 0.5) * width }
        (smallest, largest, count) = (low, high, logs.count)
        sum = logs.reduce(0, +)
        sumOfSquares = logs.reduce(0) { $0 + $1 * $1 }
    }
}
