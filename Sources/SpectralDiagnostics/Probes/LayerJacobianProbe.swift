import LinearAlgebra
import StructuredLayers

/// D9: the largest and smallest singular value of every layer's Jacobian, mean and extremes over at most 32 examples.
///
/// Both at 1 is a local isometry. σ_min is to about n·ε·σ₁; below that it is a rounding error and said to be 0, as the layer has lost
/// rank. Layers of more than 1,024 units on either side are not examined.
/// Tier T2; an example costs n JVPs in one batch, and singular values, a layer. Oracles: differences of the layer, closed forms.
public struct LayerJacobianProbe: NetworkProbe {
    public let name = "layer-jacobians"
    public let diagnostics = ["D9"]
    static let (examplesMax, widthMax) = (32, 1024)

    public init() {}

    public func length(_ network: Network, examples: Int) -> Int { 2 * network.layers.count * min(examples, Self.examplesMax) }

    public func cost(_ network: Network, examples: Int) -> Double {
        // Singular values weigh about as much as three products of the layer.
        Double(4 * network.specification.width * min(examples, Self.examplesMax))
    }

    public func partial(_ share: ProbeShare) -> [Double] {
        let depth = share.version.depth
        var table = ExampleTable(quantities: 2 * depth, examples: min(share.examples, Self.examplesMax))
        for (column, slot) in share.chosen(atMost: Self.examplesMax) {
            let values = share.version.trace(share.inputs.columns(column..<column + 1))
            for layer in 1...depth where Self.isExamined(share.version, layer) {
                let (largest, smallest) = Self.extremes(share.version.jacobian(of: layer, at: values[layer]))
                (table[2 * (layer - 1), slot], table[2 * (layer - 1) + 1, slot]) = (largest, smallest)
            }
        }
        return table.elements
    }

    private static func isExamined(_ version: FrozenNetwork, _ layer: Int) -> Bool {
        max(version.inputs(of: layer), version.outputs(of: layer)) <= widthMax
    }

    /// NaN where the Jacobian is not finite.
    private static func extremes(_ jacobian: Matrix) -> (largest: Double, smallest: Double) {
        guard let values = try? LAPACK.singularValues(jacobian.view), let first = values.first, let last = values.last else {
            return (.nan, .nan)
        }
        let resolution = Double(max(jacobian.rows, jacobian.columns)) * Double(Float.ulpOfOne) * Double(first)
        return (Double(first), Double(last) < resolution ? 0 : Double(last))
    }

    public func rows(_ sums: [Double], version: FrozenNetwork, examples: Int) -> [DiagnosticRow] {
        let table = ExampleTable(sums, quantities: 2 * version.depth, examples: min(examples, Self.examplesMax))
        return (1...version.depth).flatMap { layer in
            func row(_ quantity: String, _ offset: Int, _ value: (ExampleSummary) -> Measured) -> DiagnosticRow {
                let summary = ExampleSummary(
                    table[2 * (layer - 1) + offset], subject: "the layer's Jacobian", vanishing: "it is zero")
                let tooWide = Measured.unavailable("layers of more than \(Self.widthMax) units are not examined")
                return DiagnosticRow("D9", layer: layer, quantity, Self.isExamined(version, layer) ? value(summary) : tooWide)
            }
            return [
                row("jacobian_sigma_max_mean", 0, \.mean), row("jacobian_sigma_max_max", 0, \.largest),
                row("jacobian_sigma_min_mean", 1, \.mean), row("jacobian_sigma_min_min", 1, \.smallest),
            ]
        }
    }
}
