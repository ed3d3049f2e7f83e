import LinearAlgebra

/// The law of the eigenvalues of WᵀW/N for a matrix W [N, M], N ≥ M, of independent elements of variance 1 (Marchenko and Pastur, 1967).
///
/// With c = M/N its density is √((b − x)(x − a))/(2πcx) on [a, b] = [(1 − √c)², (1 + √c)²].
public struct MarchenkoPastur: Hashable, Sendable {
    /// c, above 0 and at most 1.
    public let ratio: Double

    /// The law of N × M matrices, or of their transposes.
    public init(rows: Int, columns: Int) {
        precondition(rows > 0 && columns > 0, "the law needs a matrix that is not empty")
        ratio = Double(min(rows, columns)) / Double(max(rows, columns))
    }

    /// a.
    public var lowerEdge: Double { (1 - ratio.squareRoot()) * (1 - ratio.squareRoot()) }
    /// b.
    public var upperEdge: Double { (1 + ratio.squareRoot()) * (1 + ratio.squareRoot()) }

    /// The share of the eigenvalues at or below x; to about 1e-12.
    public func distribution(_ x: Double) -> Double {
        if x <= lowerEdge { return 0 }
        if x >= upperEdge { return 1 }
        // By halving: x = (a + b)/2 − (b − a)/2·cos 2πu is monotone in u.
        var (low, high) = (0.0, 0.5)
        for _ in 0..<52 {
            let middle = (low + high) / 2
            if place(middle) < x { low = middle } else { high = middle }
        }
        return share(turns: low)
    }

    /// The median; to about 1e-12.
    public var median: Double { place(medianTurns(weight: 0)) }

    /// The median of the M eigenvalues of real matrices of this size on average: the law's own is that of infinitely many, and 3 % above
    /// it for M = 16. The mean density has a term in 1/M, ¼ at each edge less 1/(2π√((x − a)(b − x))) (Dumitriu and Edelman, 2006).
    public func median(of count: Int) -> Double { place(medianTurns(weight: 1 / Double(count))) }

    /// At x, a < x < b.
    public func density(_ x: Double) -> Double {
        ((upperEdge - x) * (x - lowerEdge)).squareRoot() / (2 * Double.pi * ratio * x)
    }

    /// Where the law's distribution and `weight` of that term, which integrates to ¼ − u, reach ½.
    ///
    /// By Newton's iteration, about four steps; by halving where it would leave the bracket.
    private func medianTurns(weight: Double) -> Double {
        var (low, high, turns) = (0.0, 0.5, 0.25)
        for _ in 0..<52 {
            let excess = share(turns: turns) + weight * (0.25 - turns) - 0.5
            if excess < 0 { low = turns } else { high = turns }
            let next = turns - excess / (integrand(turns) / ratio - weight)
            let step = abs(next - turns)
            turns = next > low && next < high ? next : (low + high) / 2
            // What is left is about the square of it.
            if step < 1e-9 { break }
        }
        return turns
    }

    private func place(_ turns: Double) -> Double {
        (lowerEdge + upperEdge) / 2 - (upperEdge - lowerEdge) / 2 * ScalarMath.cosineAndSine(turns: turns).cosine
    }

    /// ∫ of the density up to u turns; Simpson's rule.
    private func share(turns: Double) -> Double {
        let panels = 512
        var sum = 0.0
        for point in 0...panels {
            let value = integrand(turns * Double(point) / Double(panels))
            sum += value * (point == 0 || point == panels ? 1 : point.isMultiple(of: 2) ? 2 : 4)
        }
        return sum * turns / Double(panels) / 3 / ratio
    }

    /// c times the density by turns, ((b − a)/2)²·sin²/x: smooth.
    private func integrand(_ turns: Double) -> Double {
        let half = (upperEdge - lowerEdge) / 2
        let (cosine, sine) = ScalarMath.cosineAndSine(turns: turns)
        let x = (lowerEdge + upperEdge) / 2 - half * cosine
        // With c = 1 both sin² and x vanish at 0; their ratio is that of 1 + cos to half.
        return x > 1e-12 * half ? half * half * sine * sine / x : half * (1 + cosine)
    }
}
