import LinearAlgebra
import StructuredLayers

/// D24: the gain ‖f(x + δ) − f(x)‖/‖δ‖ from inputs to outputs, for ‖δ‖ = ‖x‖/100: four random δ, and one along v₁, the right singular
/// vector of the Jacobian from inputs to outputs; at most 32 examples.
///
/// Mean and maximum, and the largest gain as a share of D11's upper bound, which it never exceeds but by float32's rounding of f, which is
/// the row's uncertainty. A random direction feels the root mean square of the singular values, v₁ the largest.
/// Tier T2; an example costs six forward passes and as many VJPs as outputs. Oracle: linear networks.
public struct PerturbationProbe: NetworkProbe {
    public let name = "perturbation"
    public let diagnostics = ["D24"]
    static let (examplesMax, randomDirections) = (32, 4)

    public init() {}

    /// The gains, v₁'s last, and their rounding.
    private static let quantities = randomDirections + 2

    public func length(_ network: Network, examples: Int) -> Int {
        Self.quantities * min(examples, Self.examplesMax)
    }

    public func cost(_ network: Network, examples: Int) -> Double {
        LipschitzProbe().cost(network, examples: examples) + Double((Self.randomDirections + 2) * min(examples, Self.examplesMax))
    }

    public func reductionOperations(_ network: Network, examples: Int) -> Double { LipschitzBound.operations(network) }

    public func partial(_ share: ProbeShare) -> [Double] {
        let count = Self.randomDirections + 1
        var table = ExampleTable(quantities: Self.quantities, examples: min(share.examples, Self.examplesMax))
        for (column, slot) in share.chosen(atMost: Self.examplesMax) {
            let x = share.inputs.columns(column..<column + 1)
            let values = share.version.trace(x)
            let worst = EndToEndJacobian(share.version, values).direction
            let moved = Self.moved(x, along: worst, example: share.first + column)
            let outputs = share.version.outputs(moved)
            let output = values[values.count - 1]
            for direction in 0..<count { table[direction, slot] = Self.gain(from: (x, output), to: (moved, outputs), direction) }
            table[count, slot] = Self.rounding(of: values, x)
        }
        return table.elements
    }

    /// ‖δ‖.
    private static func radius(_ x: Matrix) -> Double {
        let size = VectorKernels.sumOfSquares(x.span).squareRoot()
        return size > 0 ? size / 100 : 0.01
    }

    /// What float32 may add to a gain: every map rounds both outputs by about 2ε of their size.
    private static func rounding(of values: [Matrix], _ x: Matrix) -> Double {
        let output = values[values.count - 1]
        let size = VectorKernels.sumOfSquares(output.span).squareRoot()
        return 4 * Double(Float.ulpOfOne) * Double(values.count).squareRoot() * size / radius(x)
    }

    /// x [inputs, 1] moved by every δ, [inputs, directions].
    private static func moved(_ x: Matrix, along worst: Matrix, example: Int) -> Matrix {
        let (count, radius) = (randomDirections + 1, radius(x))
        let generator = CounterRNG(seed: 0, purpose: "perturbation", index: UInt64(example))
        var result = x.repeated(count)
        for direction in 0..<count {
            let vector = (0..<x.rows).map { unit in
                direction < randomDirections
                    ? generator.normal(UInt64(direction * x.rows + unit)) : Double(worst[unit, 0])
            }
            let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            for unit in 0..<x.rows where norm > 0 { result[unit, direction] += Float(vector[unit] / norm * radius) }
        }
        return result
    }

    /// 0 where there is no direction, as f does not change; of the δ that rounding left.
    private static func gain(from: (x: Matrix, y: Matrix), to: (x: Matrix, y: Matrix), _ direction: Int) -> Double {
        func distance(_ a: Matrix, _ b: Matrix) -> Double {
            (0..<a.rows).reduce(0.0) { sum, row in
                let difference = Double(b[row, direction]) - Double(a[row, 0])
                return sum + difference * difference
            }.squareRoot()
        }
        let (input, output) = (distance(from.x, to.x), distance(from.y, to.y))
        return input == 0 && output == 0 ? 0 : output / input
    }

    public func rows(_ sums: [Double], version: FrozenNetwork, examples: Int) -> [DiagnosticRow] {
        let table = ExampleTable(sums, quantities: Self.quantities, examples: min(examples, Self.examplesMax))
        func summary(_ values: [Double]) -> ExampleSummary {
            ExampleSummary(values, subject: "the network's output", vanishing: "it is zero")
        }
        let random = summary((0..<Self.randomDirections).flatMap { table[$0] })
        let worst = summary(table[Self.randomDirections])
        let gains = (0...Self.randomDirections).flatMap { table[$0] }
        let (largest, rounding) = (summary(gains).largest, summary(table[Self.randomDirections + 1]).largest)
        let bound = LipschitzBound(version).whole
        let share: Measured =
            if let gain = largest.number, let rounding = rounding.number, let bound = bound.number {
                .value(
                    ScalarMath.exp(ScalarMath.log(gain) - bound), uncertainty: ScalarMath.exp(ScalarMath.log(rounding) - bound))
            } else { .unavailable(largest.reason ?? rounding.reason ?? bound.reason ?? "") }
        return [
            DiagnosticRow("D24", "perturbation_gain_random_mean", random.mean),
            DiagnosticRow("D24", "perturbation_gain_random_max", random.largest),
            DiagnosticRow("D24", "perturbation_gain_worst_direction_mean", worst.mean),
            DiagnosticRow("D24", "perturbation_gain_worst_direction_max", worst.largest),
            DiagnosticRow("D24", "perturbation_gain_share_of_bound", share),
        ]
    }
}
