import LinearAlgebra
import StructuredLayers

/// D11: the Lipschitz constant from inputs to outputs, between what is met and what is proven.
///
/// Above: the product of the maps' certificates, embedding and readout among them. Below: max over at most 32 examples of σ₁(J(x)). The
/// lower end is never above the upper; their ratio is the tightness, 1 where the product is the constant itself.
/// Tier T2; above a product of certificates, below an example costs as many VJPs as there are outputs. Oracles: linear networks, theorem T1.
public struct LipschitzProbe: NetworkProbe {
    public let name = "lipschitz"
    public let diagnostics = ["D11"]
    static let examplesMax = 32

    public init() {}

    public func length(_ network: Network, examples: Int) -> Int { min(examples, Self.examplesMax) }

    public func cost(_ network: Network, examples: Int) -> Double {
        let specification = network.specification
        return 3 * Double(min(specification.inputs, specification.outputs, 512) * min(examples, Self.examplesMax))
    }

    public func reductionOperations(_ network: Network, examples: Int) -> Double { LipschitzBound.operations(network) }

    public func partial(_ share: ProbeShare) -> [Double] {
        var table = ExampleTable(quantities: 1, examples: min(share.examples, Self.examplesMax))
        for (column, slot) in share.chosen(atMost: Self.examplesMax) {
            let values = share.version.trace(share.inputs.columns(column..<column + 1))
            table[0, slot] = EndToEndJacobian(share.version, values).logarithm
        }
        return table.elements
    }

    public func rows(_ sums: [Double], version: FrozenNetwork, examples: Int) -> [DiagnosticRow] {
        let bound = LipschitzBound(version)
        // One example of a Jacobian of zero takes nothing from the maximum.
        let met = sums.filter { $0 != -.infinity }
        let lower = ExampleSummary(met.isEmpty ? sums : met, subject: "the Jacobian", vanishing: "the Jacobian is zero").largest
        let tightness: Measured =
            if let low = lower.number, let high = bound.whole.number { .value(ScalarMath.exp(low - high)) } else {
                .unavailable(lower.reason ?? bound.whole.reason ?? "")
            }
        return [
            DiagnosticRow("D11", "lipschitz_upper_decades", bound.whole.decades),
            DiagnosticRow("D11", "lipschitz_upper_decades_of_layers", bound.layers.decades),
            DiagnosticRow("D11", "lipschitz_lower_decades", lower.decades),
            DiagnosticRow("D11", "lipschitz_tightness", tightness),
        ]
    }
}
