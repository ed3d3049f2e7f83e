import LinearAlgebra

/// D12: the least-squares line of log₁₀ of a norm over the layers. A slope is decades per layer: vanishing below 0, exploding above.
///
/// Tier T0; O(L). Weight-gradient norms mix forward and backward scale and can hide an explosion: look at δ and x.
/// Oracle: W_l = c·Q gives slope(δ) = −log₁₀ c, slope(x) = +log₁₀ c, slope(∂W) = 0.
public struct DepthSlope: Hashable, Sendable {
    /// With the half width of its 95 % interval.
    public let slope: Measured
    /// The share of the variance that the line explains.
    public let rSquared: Measured

    /// Fits the norms of layers `firstLayer`, `firstLayer` + 1, …
    public init(norms: [Double], firstLayer: Int = 0) {
        if norms.count < 3 {
            (slope, rSquared) = (.unavailable("a slope needs three layers"), .unavailable("a slope needs three layers"))
            return
        }
        if let layer = norms.firstIndex(where: { !$0.isFinite || $0 <= 0 }) {
            let reason = "the norm at layer \(firstLayer + layer) is \(norms[layer])"
            (slope, rSquared) = (.unavailable(reason), .unavailable(reason))
            return
        }
        let (count, logs) = (Double(norms.count), norms.map { ScalarMath.log10($0) })
        let (meanX, meanY) = ((count - 1) / 2, logs.reduce(0, +) / count)
        var (sxx, sxy, syy) = (0.0, 0.0, 0.0)
        for (index, y) in logs.enumerated() {
            let x = Double(index) - meanX
            sxx += x * x
            sxy += x * (y - meanY)
            syy += (y - meanY) * (y - meanY)
        }
        let beta = sxy / sxx
        let residual = max(0, syy - beta * sxy)
        let error = (residual / (count - 2) / sxx).squareRoot()
        slope = .value(beta, uncertainty: error * Self.studentQuantile(degrees: norms.count - 2))
        rSquared = syy > 0 ? .value(1 - residual / syy) : .unavailable("all norms are equal")
    }

    /// The 97.5 % quantile of Student's t: a table for few degrees of freedom, Cornish and Fisher's expansion beyond.
    static func studentQuantile(degrees: Int) -> Double {
        let table = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281]
        if degrees <= table.count { return table[degrees - 1] }
        let (z, n) = (1.959963984540054, Double(degrees))
        let (z3, z5) = (z * z * z, z * z * z * z * z)
        return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n)
    }
}
