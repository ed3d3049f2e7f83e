import LinearAlgebra
import StructuredLayers

/// D13: every square layer iterated by itself, x ↦ f(x), from eight random starts, at most 500 times; a network of one layer is the
/// weight-tied case.
///
/// `fixed_point_kind` is 0 for a contraction, 1 for stable (points of rest, but not one), 2 for a cycle or no rest, 3 for divergence.
/// At a point of rest x* the spectral radius ρ of the Jacobian is the rate at which steps shrink in the end; the measured rate should
/// agree. By all eigenvalues, as power iteration oscillates on complex pairs. Layers of more than 1,024 units are not examined.
/// Tier T2; no examples: a share takes every layer whose turn it is. A layer costs 4,000 forward passes at most, n JVPs and eigenvalues.
/// Oracles: linear maps; theorem T2.
public struct FixedPointProbe: NetworkProbe {
    public let name = "fixed-points"
    public let diagnostics = ["D13"]
    static let (starts, iterationsMax, widthMax) = (8, 500, 1024)
    /// Kind, iterations, residual, spread, rate, radius.
    private static let quantities = 6

    public init() {}

    public func length(_ network: Network, examples: Int) -> Int { Self.quantities * network.layers.count }

    public func cost(_ network: Network, examples: Int) -> Double {
        // Eigenvalues weigh about as much as twenty products of the layer.
        Double(Self.starts * Self.iterationsMax + 21 * network.specification.width)
    }

    public func partial(_ share: ProbeShare) -> [Double] {
        let version = share.version
        var table = ExampleTable(quantities: Self.quantities, examples: version.depth)
        for layer in 1...version.depth
        where (layer - 1) % share.shares == share.index && Self.isExamined(version, layer) {
            for (quantity, value) in Self.values(version, layer).enumerated() { table[quantity, layer - 1] = value }
        }
        return table.elements
    }

    private static func isExamined(_ version: FrozenNetwork, _ layer: Int) -> Bool {
        version.inputs(of: layer) == version.outputs(of: layer) && version.inputs(of: layer) <= widthMax
    }

    private static func values(_ version: FrozenNetwork, _ layer: Int) -> [Double] {
        var starts = Matrix(rows: version.inputs(of: layer), columns: Self.starts)
        do {
            var elements = starts.mutableSpan
            CounterRNG(seed: 0, purpose: "fixed-point", index: UInt64(layer)).fillNormal(&elements, standardDeviation: 1)
        }
        let end = FixedPoint(starts: starts, limit: iterationsMax) { version.output(of: layer, at: $0) }
        // A layer that makes no numbers does not diverge: it has no map.
        if end.iterations == 1 && !VectorKernels.allFinite(end.point.span) { return Array(repeating: .nan, count: quantities) }
        let hasPoint = end.kind == .contraction || end.kind == .stable
        let jacobian = hasPoint ? DoubleMatrix(version.jacobian(of: layer, at: end.point).view) : nil
        let radius = jacobian.flatMap { try? LAPACK.spectralRadius($0) }
        return [Double(end.kind.rawValue), Double(end.iterations), end.residual, end.spread, end.rate ?? .nan, radius ?? .nan]
    }

    public func rows(_ sums: [Double], version: FrozenNetwork, examples: Int) -> [DiagnosticRow] {
        let table = ExampleTable(sums, quantities: Self.quantities, examples: version.depth)
        return (1...version.depth).flatMap { layer in
            let names = ["kind", "iterations", "residual", "spread", "rate", "spectral_radius"]
            let code = table[0, layer - 1]
            let kind = code.isFinite ? FixedPoint.Kind(rawValue: Int(code)) : nil
            return names.enumerated().map { quantity, name in
                let value = table[quantity, layer - 1]
                let reason =
                    switch (Self.isExamined(version, layer), kind) {
                    case (false, _): "the layer is not square, or wider than \(Self.widthMax)"
                    case (true, nil): "the layer's output is not finite"
                    case (true, .divergent): "the iteration diverges"
                    case (true, .cycle): "the iteration does not come to rest"
                    case (true, _): "too few steps stand above rounding"
                    }
                let isMeaningless = !Self.isExamined(version, layer) || kind == .divergent && quantity > 1
                let measured = value.isFinite && !isMeaningless ? Measured.value(value) : .unavailable(reason)
                return DiagnosticRow("D13", layer: layer, "fixed_point_\(name)", measured)
            }
        }
    }
}
