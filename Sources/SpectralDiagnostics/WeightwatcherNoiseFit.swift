import LinearAlgebra

/// The Marchenko–Pastur fit of weightwatcher 0.7.7: the σ whose density is closest, in squares over 1000 points, to a kernel estimate with
/// triangles of width 0.1, of the eigenvalues scaled to a mean of 1; for square matrices of their roots and the quarter circle.
///
/// Its edge is kept with its own allowance for the largest eigenvalue, which misses weak spikes: `NoiseBulk` is the one to trust.
/// Tier T1; O(1000·n). Oracle: weightwatcher's mp_fit.
public struct WeightwatcherNoiseFit: Sendable {
    /// Eigenvalues above the edge and its allowance.
    public let spikes: Measured
    /// σ of the scaled matrix.
    public let deviation: Measured
    /// The edge over the largest eigenvalue.
    public let softRank: Measured
    /// What the matrix was scaled by.
    public let scale: Measured
    /// Where the bulk ends and begins, unscaled.
    public let bulkUpper: Measured
    public let bulkLower: Measured

    /// Fits eigenvalues λ = σ² of N × M matrices, in any order.
    public init(eigenvalues: [Double], small: Int, large: Int) {
        let sum = eigenvalues.reduce(0, +)
        guard sum > 0, sum.isFinite, small > 0 else {
            let value = Measured.unavailable("the eigenvalues are not finite, or all zero")
            (spikes, deviation, softRank, scale, bulkUpper, bulkLower) = (value, value, value, value, value, value)
            return
        }
        let squaredScale = Double(eigenvalues.count) / sum
        let scaled = eigenvalues.map { $0 * squaredScale }
        let (largest, ratio) = (scaled.reduce(0, max), Double(large) / Double(small))
        let root = (1 / ratio).squareRoot()
        let sigma = Density(scaled, ratio: ratio).best(near: largest.squareRoot() / (1 + root))
        let (upper, lower) = (sigma * (1 + root) * sigma * (1 + root), sigma * (1 - root) * sigma * (1 - root))
        let allowance = root * Self.power(upper, 2.0 / 3) * Self.power(Double(small), -2.0 / 3)
        let threshold = upper + allowance.squareRoot()
        spikes = .value(Double(scaled.count { $0 > threshold }))
        deviation = .value(sigma)
        softRank = .value(upper / largest)
        scale = .value(squaredScale.squareRoot())
        bulkUpper = .value(upper / squaredScale)
        bulkLower = .value(lower / squaredScale)
    }

    private static func power(_ x: Double, _ exponent: Double) -> Double { ScalarMath.exp(exponent * ScalarMath.log(x)) }

    /// The kernel estimate, made once, where it is at least 0.01.
    private struct Density {
        private let ratio: Double
        private var points: [(x: Double, y: Double)] = []
        private var largestPoint = 0.0
        private var mode = 0.0

        init(_ eigenvalues: [Double], ratio: Double) {
            self.ratio = ratio
            let (values, width) = (ratio == 1 ? eigenvalues.map { $0.squareRoot() } : eigenvalues, 0.1)
            let end = values.reduce(0, max) + 0.5
            var density = Array(repeating: 0.0, count: 1000)
            let step = end / 999
            for value in values {
                for index in max(0, Int((value - width) / step))...min(999, Int((value + width) / step) + 1) {
                    density[index] += max(0, 1 - abs(Double(index) * step - value) / width)
                }
            }
            for index in density.indices {
                let y = density[index] / (width * Double(values.count))
                if y > 0.01 { points.append((Double(index) * step, y)) }
            }
            largestPoint = points.last?.x ?? 0
            mode = points.max { $0.y < $1.y }?.x ?? 0
        }

        /// By a grid from 0.05 to 2 times `scale`, and golden sections around its best point.
        func best(near scale: Double) -> Double {
            let step = 0.01 * scale
            let grid = (5..<200).map { Double($0) * step }
            let start = grid.min { distance($0) < distance($1) } ?? scale
            var (low, high) = (start - step, start + step)
            let section = (5.0.squareRoot() - 1) / 2
            for _ in 0..<60 {
                let (a, b) = (high - section * (high - low), low + section * (high - low))
                if distance(a) <= distance(b) { high = b } else { low = a }
            }
            let found = (low + high) / 2
            // On a plateau the grid's point stands.
            return distance(found) < distance(start) ? found : start
        }

        private func distance(_ sigma: Double) -> Double {
            let root = (1 / ratio).squareRoot()
            let (upper, lower) = (sigma * (1 + root) * sigma * (1 + root), sigma * (1 - root) * sigma * (1 - root))
            if ratio != 1, upper < mode || upper > largestPoint || lower > mode { return 1e6 * Double(points.count) }
            return points.reduce(0) { sum, point in
                let difference = law(point.x, sigma, lower, upper) - point.y
                return sum + difference * difference
            }
        }

        private func law(_ x: Double, _ sigma: Double, _ lower: Double, _ upper: Double) -> Double {
            if ratio == 1 { return x <= 2 ? (4 - x * x).squareRoot() / (Double.pi * sigma * sigma) : 0 }
            let product = (upper - x) * (x - lower)
            return x > 0 && product > 0 ? product.squareRoot() * ratio / (2 * Double.pi * sigma * sigma * x) : 0
        }
    }
}
