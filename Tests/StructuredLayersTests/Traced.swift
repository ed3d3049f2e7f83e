import Foundation

/// A float64 of a twin, which a tape may follow: the derivatives of what is computed from it come without a formula of ours.
///
/// One concrete type, with or without a tape: untraced it is a `Double` with one comparison more, so central differences use the same
/// code. A generic scalar would be called through `any NaivePath`, where it is never specialised.
struct Traced: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    let value: Double
    /// The place on the tape; negative for constants.
    fileprivate var place: Int32 = -1

    /// A constant.
    init(_ value: Double) { self.value = value }
    init(floatLiteral value: Double) { self.value = value }
    init(integerLiteral value: Int) { self.value = Double(value) }

    /// f(a) with its derivative.
    fileprivate init(_ value: Double, _ a: Traced, _ slope: @autoclosure () -> Double) {
        self.value = value
        if a.place >= 0 { place = Tape.current!.append(a.place, slope()) }
    }

    /// f(a, b) with its two derivatives.
    fileprivate init(
        _ value: Double, _ a: Traced, _ slopeA: @autoclosure () -> Double, _ b: Traced, _ slopeB: @autoclosure () -> Double
    ) {
        self.value = value
        if a.place >= 0 || b.place >= 0 {
            place = Tape.current!.append(a.place, a.place >= 0 ? slopeA() : 0, b.place, b.place >= 0 ? slopeB() : 0)
        }
    }

    static func + (a: Traced, b: Traced) -> Traced { Traced(a.value + b.value, a, 1, b, 1) }
    static func - (a: Traced, b: Traced) -> Traced { Traced(a.value - b.value, a, 1, b, -1) }
    static func * (a: Traced, b: Traced) -> Traced { Traced(a.value * b.value, a, b.value, b, a.value) }
    static func / (a: Traced, b: Traced) -> Traced {
        Traced(a.value / b.value, a, 1 / b.value, b, -a.value / (b.value * b.value))
    }
    static prefix func - (a: Traced) -> Traced { Traced(-a.value, a, -1) }
    static func += (a: inout Traced, b: Traced) { a = a + b }
    static func -= (a: inout Traced, b: Traced) { a = a - b }

    func squareRoot() -> Traced {
        let root = value.squareRoot()
        return Traced(root, self, 0.5 / root)
    }
}

extension Traced: Comparable {
    static func == (a: Traced, b: Traced) -> Bool { a.value == b.value }
    static func < (a: Traced, b: Traced) -> Bool { a.value < b.value }
}

func exp(_ a: Traced) -> Traced {
    let value = Foundation.exp(a.value)
    return Traced(value, a, value)
}

func log(_ a: Traced) -> Traced { Traced(Foundation.log(a.value), a, 1 / a.value) }

func tanh(_ a: Traced) -> Traced {
    let value = Foundation.tanh(a.value)
    return Traced(value, a, 1 - value * value)
}

/// What was computed, in order: reverse-mode differentiation goes through it backwards, once for all derivatives.
///
/// `@unchecked Sendable`: only the task that runs `gradient` has its tape, as a task-local value within one synchronous call.
final class Tape: @unchecked Sendable {
    @TaskLocal static var current: Tape?

    private struct Step {
        var (first, second): (Int32, Int32)
        var (firstSlope, secondSlope): (Double, Double)
    }

    private var steps: [Step] = []

    fileprivate func append(_ first: Int32 = -1, _ firstSlope: Double = 0, _ second: Int32 = -1, _ secondSlope: Double = 0) -> Int32
    {
        steps.append(Step(first: first, second: second, firstSlope: firstSlope, secondSlope: secondSlope))
        return Int32(steps.count - 1)
    }

    /// ∂f/∂x for f of many numbers.
    static func gradient(at x: [Double], of f: ([Traced]) -> Traced) -> [Double] {
        let tape = Tape()
        let result = $current.withValue(tape) {
            f(
                x.map { element in
                    var traced = Traced(element)
                    traced.place = tape.append()
                    return traced
                })
        }
        var adjoints = Array(repeating: 0.0, count: tape.steps.count)
        if result.place >= 0 { adjoints[Int(result.place)] = 1 }
        for (adjoint, step) in zip(adjoints.indices, tape.steps).reversed() where adjoints[adjoint] != 0 {
            if step.first >= 0 { adjoints[Int(step.first)] += adjoints[adjoint] * step.firstSlope }
            if step.second >= 0 { adjoints[Int(step.second)] += adjoints[adjoint] * step.secondSlope }
        }
        return Array(adjoints[x.indices])
    }
}
