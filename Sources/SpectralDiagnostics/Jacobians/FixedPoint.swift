import LinearAlgebra

/// What becomes of x under x ↦ f(x), from several starts at once: one limit, several, none, or infinity.
public struct FixedPoint: Sendable {
    public enum Kind: Int, Sendable {
        /// Every start ends at one point.
        case contraction = 0
        /// Every start comes to rest, or nearer to it with every step, but not all at one point.
        case stable = 1
        /// Bounded, and not coming to rest: a cycle, a rotation, or chaos.
        case cycle = 2
        /// A start left every bound, or is not finite.
        case divergent = 3
    }

    public let kind: Kind
    /// Steps taken.
    public let iterations: Int
    /// The largest ‖x_{t+1} − x_t‖/(1 + ‖x_{t+1}‖) of the last step.
    public let residual: Double
    /// The largest distance of an end from the first, over 1 + its norm: uniqueness.
    public let spread: Double
    /// e^slope of ln ‖x_{t+1} − x_t‖ over t by least squares, over the later half of the steps that stand above rounding; of the start
    /// whose steps shrink most slowly. nil with fewer than four such steps.
    public let rate: Double?
    /// The end of the first start, [n, 1].
    public let point: Matrix

    /// Relative steps: of a point at rest, above rounding, and of a start that diverges (‖x‖ over √n).
    static let (restMax, roundingMax, sizeMax) = (1e-6, 1e-5, 1e6)
    /// Ends nearer to each other than this, over 1 + ‖x‖, are one.
    static let spreadMax = 1e-3
    /// A rate above this is no approach.
    static let approachMax = 0.999

    /// Iterates at most `limit` times, until all starts rest or one diverges. O(limit) calls of f.
    ///
    /// - Parameters:
    ///   - starts: [n, count], a column a start; one at least.
    ///   - f: of all columns at once, the same shape.
    public init(starts: Matrix, limit: Int = 500, _ f: (Matrix) -> Matrix) {
        precondition(starts.columns >= 1 && limit >= 1, "a start and a step")
        var (x, steps, ended, diverged) = (starts, [[Double]](), false, false)
        while steps.count < limit && !ended {
            let next = f(x)
            let (sizes, moves) = (Self.norms(next), Self.distances(x, next))
            steps.append(zip(moves, sizes).map { $0 / (1 + $1) })
            x = next
            diverged = sizes.contains { !($0 <= Self.sizeMax * Double(starts.rows).squareRoot()) }
            ended = diverged || steps[steps.count - 1].allSatisfy { $0 <= Self.restMax }
        }
        (iterations, point) = (steps.count, x.columns([0]))
        residual = steps[steps.count - 1].reduce(0) { $1.isNaN ? .infinity : max($0, $1) }
        let ends = Self.distances(x, point.repeated(x.columns))
        spread = zip(ends, Self.norms(x)).reduce(0) { max($0, $1.0 / (1 + $1.1)) }
        rate = diverged ? nil : Self.rate(steps)
        kind =
            if diverged { .divergent } else if residual > Self.restMax && !(rate.map { $0 <= Self.approachMax } ?? false) {
                .cycle
            } else if spread <= Self.spreadMax { .contraction } else { .stable }
    }

    private static func norms(_ x: Matrix) -> [Double] {
        var squares = Array(repeating: 0.0, count: x.columns)
        var span = squares.mutableSpan
        VectorKernels.columnSumsOfSquares(x.view, into: &span)
        return squares.map { $0.squareRoot() }
    }

    private static func distances(_ a: Matrix, _ b: Matrix) -> [Double] {
        var difference = b
        var span = difference.mutableSpan
        VectorKernels.subtract(a.span, from: &span)
        return norms(difference)
    }

    private static func rate(_ steps: [[Double]]) -> Double? {
        let slopes = steps[0].indices.compactMap { start -> Double? in
            let column = steps.map { $0[start] }
            let above = column.prefix { $0 > roundingMax }.count
            let later = (above / 2..<above).map { ScalarMath.log(column[$0]) }
            return later.count < 4 ? nil : slope(later)
        }
        return slopes.max().map { ScalarMath.exp($0) }
    }

    private static func slope(_ values: [Double]) -> Double {
        let centre = Double(values.count - 1) / 2
        var (products, squares) = (0.0, 0.0)
        for (index, value) in values.enumerated() {
            products += (Double(index) - centre) * value
            squares += (Double(index) - centre) * (Double(index) - centre)
        }
        return products / squares
    }
}
