import LinearAlgebra
import StructuredLayers

/// D22 and D23: how many directions the representations x_l spread over, and how alike those of different depths are.
///
/// Of the covariance over the examples, with eigenvalues λ: effective rank exp(−Σ p ln p), p = λ/Σλ, and participation ratio
/// (Σλ)²/Σλ²; both n when whitened, both below the number of examples. Linear CKA ‖XᵀY‖_F²/(‖XᵀX‖_F·‖YᵀY‖_F), centred (Kornblith et al.,
/// 2019), with the chosen level before and with the last: 1 for a rotation and a scale.
///
/// At most nine levels, evenly spaced, the first and the last among them. Shares hand in the representations themselves, so that every
/// figure is exact for the batch from N × N matrices of inner products; of so many examples, evenly spaced, that a message stays within
/// 2¹⁹ numbers.
/// Tier T2; a forward pass an example, then O(N²·n + N³) a level. Oracle: NumPy.
public struct RepresentationProbe: NetworkProbe {
    public let name = "representations"
    public let diagnostics = ["D22", "D23"]
    static let (levelsMax, elementsMax) = (9, 1 << 19)

    public init() {}

    /// Levels 0…L that are looked at.
    static func levels(_ network: Network) -> [Int] {
        let depth = network.layers.count
        if depth < levelsMax { return Array(0...depth) }
        return (0..<levelsMax).map { $0 * depth / (levelsMax - 1) }
    }

    /// Units of all these levels together.
    private static func units(_ network: Network) -> Int {
        levels(network).reduce(0) { $0 + network.specification.levelWidths[$1] }
    }

    private static func chosenCount(_ network: Network, _ examples: Int) -> Int {
        min(examples, max(1, elementsMax / units(network)))
    }

    public func length(_ network: Network, examples: Int) -> Int {
        Self.units(network) * Self.chosenCount(network, examples)
    }

    public func cost(_ network: Network, examples: Int) -> Double { Double(Self.chosenCount(network, examples)) }

    public func reductionOperations(_ network: Network, examples: Int) -> Double {
        let (count, levels) = (Double(Self.chosenCount(network, examples)), Double(Self.levels(network).count))
        return 2 * count * count * (Double(Self.units(network)) + levels * count)
    }

    public func partial(_ share: ProbeShare) -> [Double] {
        let network = share.version.network
        let count = Self.chosenCount(network, share.examples)
        var table = ExampleTable(quantities: Self.units(network), examples: count)
        let chosen = share.chosen(atMost: count)
        if chosen.isEmpty { return table.elements }
        let values = share.version.trace(share.inputs.columns(chosen.map(\.column)))
        var first = 0
        for level in Self.levels(network) {
            let x = values[level + 1]
            for unit in 0..<x.rows {
                for (column, slot) in chosen.map(\.slot).enumerated() { table[first + unit, slot] = Double(x[unit, column]) }
            }
            first += x.rows
        }
        return table.elements
    }

    public func rows(_ sums: [Double], version: FrozenNetwork, examples: Int) -> [DiagnosticRow] {
        let (network, levels) = (version.network, Self.levels(version.network))
        let table = ExampleTable(sums, quantities: Self.units(network), examples: Self.chosenCount(network, examples))
        var (grams, first) = ([RepresentationGram](), 0)
        for level in levels {
            let width = network.specification.levelWidths[level]
            var x = DoubleMatrix(rows: width, columns: table.examples)
            for unit in 0..<width { for example in 0..<table.examples { x[unit, example] = table[first + unit, example] } }
            grams.append(RepresentationGram(x))
            first += width
        }
        return levels.indices.flatMap { index in
            var rows = [
                DiagnosticRow("D22", layer: levels[index], "representation_effective_rank", grams[index].effectiveRank),
                DiagnosticRow("D22", layer: levels[index], "representation_participation_ratio", grams[index].participationRatio),
            ]
            if index > 0 {
                rows.append(
                    DiagnosticRow("D23", layer: levels[index], "cka_with_level_before", grams[index].alignment(grams[index - 1])))
            }
            if index < levels.count - 1 {
                rows.append(
                    DiagnosticRow(
                        "D23", layer: levels[index], "cka_with_last_level", grams[index].alignment(grams[levels.count - 1])))
            }
            return rows
        }
    }
}
