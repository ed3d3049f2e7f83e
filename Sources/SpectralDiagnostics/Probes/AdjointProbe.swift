import LinearAlgebra
import StructuredLayers

/// D26: |⟨u, J·v⟩ − ⟨Jᵀ·u, v⟩|/(‖u‖·‖J·v‖) of every layer at random u and v, the largest over at most 32 examples. Above 1e-5 the layer's
/// backward pass is not the derivative of what it computes: a bug alarm.
///
/// Tier T2; an example costs a JVP and a VJP. Oracle: itself.
public struct AdjointProbe: NetworkProbe {
    public let name = "adjoint"
    public let diagnostics = ["D26"]
    static let examplesMax = 32

    public init() {}

    public func length(_ network: Network, examples: Int) -> Int { network.layers.count * min(examples, Self.examplesMax) }
    public func cost(_ network: Network, examples: Int) -> Double { Double(5 * min(examples, Self.examplesMax)) }

    public func partial(_ share: ProbeShare) -> [Double] {
        let (version, chosen) = (share.version, share.chosen(atMost: Self.examplesMax))
        var table = ExampleTable(quantities: version.depth, examples: min(share.examples, Self.examplesMax))
        if chosen.isEmpty { return table.elements }
        let values = version.trace(share.inputs.columns(chosen.map(\.column)))
        for layer in 1...version.depth {
            let v = Self.normal(version.inputs(of: layer), chosen.map(\.slot), "adjoint-v", layer)
            let u = Self.normal(version.outputs(of: layer), chosen.map(\.slot), "adjoint-u", layer)
            let forward = version.jvp(of: layer, at: values[layer], output: values[layer + 1], v)
            let backward = version.vjp(of: layer, at: values[layer], u)
            for (column, slot) in chosen.map(\.slot).enumerated() {
                let difference = Self.dot(u, forward, column) - Self.dot(backward, v, column)
                let size = (Self.dot(u, u, column) * Self.dot(forward, forward, column)).squareRoot()
                table[layer - 1, slot] = size == 0 && difference == 0 ? 0 : abs(difference) / size
            }
        }
        return table.elements
    }

    /// A column an example, whoever's share it is.
    private static func normal(_ rows: Int, _ slots: [Int], _ purpose: String, _ layer: Int) -> Matrix {
        var result = Matrix(rows: rows, columns: slots.count)
        for (column, slot) in slots.enumerated() {
            let generator = CounterRNG(seed: UInt64(layer), purpose: purpose, index: UInt64(slot))
            for row in 0..<rows { result[row, column] = Float(generator.normal(UInt64(row))) }
        }
        return result
    }

    private static func dot(_ a: Matrix, _ b: Matrix, _ column: Int) -> Double {
        (0..<a.rows).reduce(0.0) { $0 + Double(a[$1, column]) * Double(b[$1, column]) }
    }

    public func rows(_ sums: [Double], version: FrozenNetwork, examples: Int) -> [DiagnosticRow] {
        let table = ExampleTable(sums, quantities: version.depth, examples: min(examples, Self.examplesMax))
        return (1...version.depth).map { layer in
            let summary = ExampleSummary(table[layer - 1], subject: "the layer's derivative", vanishing: "")
            return DiagnosticRow("D26", layer: layer, "adjoint_error_max", summary.largest)
        }
    }
}
