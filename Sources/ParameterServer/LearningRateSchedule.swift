/// The factor on the learning rate, a pure function of the step.
public struct LearningRateSchedule: Hashable, Codable, Sendable {
    /// The shape after the warm-up.
    public enum Shape: Hashable, Codable, Sendable {
        case constant
        /// Half a cosine from 1 at the end of the warm-up to `final` at step `steps`.
        case cosine(steps: Step, final: Double)
    }

    public var shape: Shape
    /// Steps over which the factor climbs linearly: (t + 1) / warmUp.
    public var warmUp: Step

    public init(shape: Shape, warmUp: Step = 0) {
        self.shape = shape
        self.warmUp = warmUp
    }

    public static let constant = LearningRateSchedule(shape: .constant)

    /// The factor of step `t`.
    public func factor(at step: Step) -> Double {
        if step < warmUp { return Double(step + 1) / Double(warmUp) }
        switch shape {
        case .constant: return 1
        case .cosine(let steps, let final):
            guard steps > warmUp, step < steps else { return final }
            let progress = Double(step - warmUp) / Double(steps - warmUp)
            return final + (1 - final) * 0.5 * (1 + cosineOfPi(times: progress))
        }
    }
}

/// cos(πx) for x in [0, 1] by Taylor's series about the nearer of 0 and ½: the machine's libm may differ, these bits do not.
func cosineOfPi(times x: Double) -> Double {
    precondition((0...1).contains(x), "half a period")
    if x > 0.5 { return -cosineOfPi(times: 1 - x) }
    if x > 0.25 { return taylor(first: Double.pi * (0.5 - x), from: Double.pi * (0.5 - x), order: 1) }
    return taylor(first: 1, from: Double.pi * x, order: 0)
}

private func taylor(first: Double, from angle: Double, order: Int) -> Double {
    var (sum, term, order) = (first, first, order)
    while order < 22 {
        term *= -(angle * angle) / Double((order + 1) * (order + 2))
        sum += term
        order += 2
    }
    return sum
}

/// βⁿ by squaring: no libm, so the same bits everywhere. O(log n).
public func power(_ base: Double, _ exponent: UInt64) -> Double {
    var (result, square, rest) = (1.0, base, exponent)
    while rest > 0 {
        if rest & 1 == 1 { result *= square }
        square *= square
        rest >>= 1
    }
    return result
}
