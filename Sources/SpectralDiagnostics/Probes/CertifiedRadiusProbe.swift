import LinearAlgebra
import StructuredLayers

/// D25: how far an input can move, in the Euclidean norm, before its class can change: margin/(√2·Lip), Lip from D11's upper bound.
///
/// The margin is the right class's output less the largest other; a difference of two outputs is √2·Lip-Lipschitz (Tsuzuku et al., 2018).
/// An example that is classed wrongly has radius 0. A radius is proven, not measured: a loose bound makes it small, not the network bad.
/// Tier T2; a forward pass an example. Oracle: linear networks.
public struct CertifiedRadiusProbe: NetworkProbe {
    public let name = "certified-radius"
    public let diagnostics = ["D25"]

    public init() {}

    public func length(_ network: Network, examples: Int) -> Int { examples }
    public func cost(_ network: Network, examples: Int) -> Double { Double(examples) }

    public func reductionOperations(_ network: Network, examples: Int) -> Double { LipschitzBound.operations(network) }

    /// Every example's margin.
    public func partial(_ share: ProbeShare) -> [Double] {
        var table = ExampleTable(quantities: 1, examples: share.examples)
        let outputs = share.version.outputs(share.inputs)
        for (column, label) in share.labels.enumerated() where outputs.rows > 1 {
            let others = (0..<outputs.rows).filter { $0 != Int(label) }.map { Double(outputs[$0, column]) }
            let right = Double(outputs[Int(label), column])
            let isNumber = right.isFinite && others.allSatisfy(\.isFinite)
            table[0, share.first + column] = isNumber ? right - others.reduce(-.infinity, max) : .nan
        }
        return table.elements
    }

    public func rows(_ sums: [Double], version: FrozenNetwork, examples: Int) -> [DiagnosticRow] {
        let margins = ExampleSummary(sums, subject: "the network's output", vanishing: "")
        let bound = LipschitzBound(version).whole
        func radii(_ read: (ExampleSummary) -> Measured) -> Measured {
            guard let bound = bound.number else { return bound }
            let radii = sums.map { $0 > 0 ? ScalarMath.exp(ScalarMath.log($0 / 2.0.squareRoot()) - bound) : $0.isNaN ? $0 : 0 }
            return read(ExampleSummary(radii, subject: "the network's output", vanishing: ""))
        }
        let right = ExampleSummary(sums.map { $0 > 0 ? 1 : $0.isNaN ? $0 : 0 }, subject: "the network's output", vanishing: "")
        let rows = [
            DiagnosticRow("D25", "margin_mean", margins.mean),
            DiagnosticRow("D25", "right_share", right.mean),
            DiagnosticRow("D25", "certified_radius_mean", radii(\.mean)),
            DiagnosticRow("D25", "certified_radius_median", radii(\.median)),
        ]
        if version.network.specification.outputs > 1 { return rows }
        return rows.map { DiagnosticRow("D25", $0.quantity, .unavailable("one output has no margin")) }
    }
}
