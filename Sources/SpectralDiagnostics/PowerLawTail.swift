import LinearAlgebra

/// D5: the power law p(λ) ∝ λ^(−α), λ ≥ x_min, that fits the tail of a spectrum best; λ = σ², not divided by the matrix's size.
///
/// Every eigenvalue but the largest is tried as x_min, with α = 1 + n/Σ ln(λ/x_min) of the n eigenvalues at or above it, by maximum
/// likelihood; the one with the least Kolmogorov–Smirnov distance is kept (Clauset, Shalizi and Newman, 2009). The distance is taken on
/// one side of each step of the empirical distribution, as weightwatcher does (Martin and Mahoney, 2021), so that figures can be compared.
/// α alone says little: on a Gaussian matrix of no structure at all the same fit gives 6.5 ± 1.8 (256 × 256).
/// Tier T1; O(n²) at worst, and less: a candidate is left as soon as it is worse than the best one.
/// Oracles: weightwatcher, the naive scan, Pareto quantiles.
public struct PowerLawTail: Hashable, Sendable {
    /// With its standard error, (α − 1)/√n.
    public let alpha: Measured
    /// D, the Kolmogorov–Smirnov distance of the tail from its law.
    public let distance: Measured
    /// x_min, where the tail begins.
    public let tailStart: Measured
    /// n, the eigenvalues in the tail.
    public let tailCount: Measured
    /// α·log₁₀ λ_max.
    public let alphaWeighted: Measured
    /// log₁₀ Σ λ^α.
    public let logAlphaNorm: Measured

    /// Which eigenvalues count, and how few of them can be fitted.
    public enum Convention: Hashable, Sendable {
        /// Those that stand above rounding, σ > max(m, n)·ε·σ₁; fewer than 50 have no tail to speak of.
        case resolved
        /// Those above 1e-5, whatever the scale of the matrix; where there are fewer than 20, α = 1 + (n − 1)/Σ ln(λ/x_min), and
        /// tails have eight of them or more.
        case weightwatcher
    }

    /// Fits the tail.
    ///
    /// - Parameters:
    ///   - singularValues: of a matrix, in any order.
    ///   - rows, columns: the matrix's shape.
    ///   - precision: ε of the arithmetic that the singular values come from.
    ///   - elements: what the matrix's elements were rounded to, for reasons.
    public init(
        singularValues: [Double], rows: Int, columns: Int, convention: Convention = .resolved,
        precision: Double = Double(Float.ulpOfOne), elements: String = ElementPrecision.float32.name
    ) {
        switch Self.tail(singularValues, longer: max(rows, columns), convention, precision, elements) {
        case .found(let fit, let eigenvalues): self.init(fit, eigenvalues)
        case .missing(let reason): self.init(unavailable: reason)
        }
    }

    private enum Tail {
        /// With the eigenvalues that count, ascending.
        case found(Fit, [Double])
        case missing(String)
    }

    private static func tail(
        _ singularValues: [Double], longer: Int, _ convention: Convention, _ precision: Double, _ elements: String
    ) -> Tail {
        let largest = singularValues.reduce(0, max)
        if let reason = reason(against: singularValues, largest) { return .missing(reason) }
        let floor = Double(longer) * precision * largest
        let eigenvalues =
            switch convention {
            case .resolved: singularValues.filter { $0 > floor }.map { $0 * $0 }.sorted()
            case .weightwatcher: singularValues.map { $0 * $0 }.filter { $0 > 1e-5 }.sorted()
            }
        let count = eigenvalues.count
        switch convention {
        case .resolved where count < 50:
            let are = count == 1 ? "eigenvalue above rounding to \(elements) is" : "eigenvalues above rounding to \(elements) are"
            return .missing("\(count) \(are) too few for a tail; 50 are needed")
        case .weightwatcher where count < 2:
            return .missing(
                "\(count == 1 ? "1 eigenvalue above 1e-5 is" : "\(count) eigenvalues above 1e-5 are") too few for a tail; 2 are needed"
            )
        default: break
        }
        if eigenvalues[count - 1] <= eigenvalues[0] * (1 + 1e-4) {
            return .missing("all singular values are equal to four digits: the map is a multiple of an isometry")
        }
        guard let fit = scan(eigenvalues, isSmall: convention == .weightwatcher && count < 20) else {
            return .missing("no tail has α > 1")
        }
        return .found(fit, eigenvalues)
    }

    /// A tail that cannot be had.
    init(unavailable reason: String) {
        (alpha, distance, tailStart) = (.unavailable(reason), .unavailable(reason), .unavailable(reason))
        (tailCount, alphaWeighted, logAlphaNorm) = (.unavailable(reason), .unavailable(reason), .unavailable(reason))
    }

    private init(_ fit: Fit, _ eigenvalues: [Double]) {
        let count = eigenvalues.count - fit.start
        let top = ScalarMath.log(eigenvalues[eigenvalues.count - 1])
        // The sum over λ_max^α, so that no power overflows.
        let sum = eigenvalues.reduce(0) { $0 + ScalarMath.exp(fit.alpha * (ScalarMath.log($1) - top)) }
        alpha = .value(fit.alpha, uncertainty: (fit.alpha - 1) / Double(count).squareRoot())
        distance = .value(fit.distance)
        tailStart = .value(eigenvalues[fit.start])
        tailCount = .value(Double(count))
        alphaWeighted = .value(fit.alpha * ScalarMath.log10(eigenvalues[eigenvalues.count - 1]))
        logAlphaNorm = .value((fit.alpha * top + ScalarMath.log(sum)) / ScalarMath.log(10))
    }

    private static func reason(against singularValues: [Double], _ largest: Double) -> String? {
        if singularValues.isEmpty { return "there are no singular values" }
        if singularValues.contains(where: { !$0.isFinite }) { return "a singular value is not finite" }
        return largest > 0 ? nil : "all singular values are zero"
    }

    private struct Fit {
        var start: Int
        var alpha: Double
        var distance: Double
    }

    /// The candidate of least distance, the first of equal ones.
    private static func scan(_ eigenvalues: [Double], isSmall: Bool) -> Fit? {
        let logs = eigenvalues.map { ScalarMath.log($0) }
        // Fewer than eight eigenvalues are all tail.
        let last = isSmall ? max(0, eigenvalues.count - 8) : eigenvalues.count - 2
        let sums = sumsOfTails(logs)
        var (best, worst): (Fit?, Int) = (nil, -1)
        // Every 32nd candidate first: with what they reach most others are seen to be worse at the first look.
        var reached = Double.infinity
        for start in stride(from: 0, through: last, by: 32) {
            if let fit = candidate(logs, sums, start, isSmall, below: reached, &worst) { reached = fit.distance }
        }
        for start in 0...last {
            let limit = best?.distance ?? reached.nextUp
            if let fit = candidate(logs, sums, start, isSmall, below: limit, &worst) { best = fit }
        }
        return best
    }

    /// Of the elements from each one on, each sum the one before less one element.
    private static func sumsOfTails(_ logs: [Double]) -> [Double] {
        var sum = logs.reduce(0, +)
        return logs.map { value in
            defer { sum -= value }
            return sum
        }
    }

    /// The law of the tail from `start`; nil if it has none, or none whose distance is below `limit`.
    private static func candidate(
        _ logs: [Double], _ sums: [Double], _ start: Int, _ isSmall: Bool, below limit: Double, _ worst: inout Int
    ) -> Fit? {
        let n = Double(logs.count - start)
        let excess = sums[start] - n * logs[start]
        let alpha = 1 + (isSmall ? n - 1 : n) / excess
        guard excess > 0, alpha.isFinite, let distance = distance(logs, from: start, alpha, below: limit, worst: &worst) else {
            return nil
        }
        return Fit(start: start, alpha: alpha, distance: distance)
    }

    /// max_j |1 − (λ_j/x_min)^(1−α) − (j − start)/n|, or nil once it is at least `limit`.
    ///
    /// `worst` is where the last candidate failed: the next one often does there too, and then needs no other look.
    private static func distance(
        _ logs: [Double], from start: Int, _ alpha: Double, below limit: Double, worst: inout Int
    ) -> Double? {
        let count = Double(logs.count - start)
        func gap(_ index: Int) -> Double {
            let survival = ScalarMath.exp((1 - alpha) * (logs[index] - logs[start]))
            return abs(1 - survival - Double(index - start) / count)
        }
        if worst >= start, gap(worst) >= limit { return nil }
        // The gaps change slowly along the tail: a candidate that is worse is so at one place in sixteen too.
        for index in stride(from: start, to: logs.count, by: 16) where gap(index) >= limit {
            worst = index
            return nil
        }
        var largest = 0.0
        for index in start..<logs.count {
            largest = max(largest, gap(index))
            if largest >= limit {
                worst = index
                return nil
            }
        }
        return largest
    }
}
