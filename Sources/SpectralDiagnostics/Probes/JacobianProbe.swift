import LinearAlgebra
import StructuredLayers

/// D10: Lyapunov spectrum and extreme singular values of the Jacobian from x₀ to x_L, mean and extremes over at most 32 examples.
///
/// λ > 0 explodes, λ < 0 vanishes, λ_max > 0 is chaos; a spectrum at 0 is an isometry. The embedding and the readout stand outside, as
/// they change the width: D11 and D24 hold them. All n directions of x₀ are followed up to a width of 512, beyond that 64; and never
/// more than the narrowest level has units.
/// Tier T2; an example costs k JVPs a layer in one batch, and a QR. Oracle: `LyapunovSpectrum`'s.
public struct JacobianProbe: NetworkProbe {
    public let name = "jacobian"
    public let diagnostics = ["D10"]
    static let examplesMax = 32

    public init() {}

    /// k.
    static func directions(_ network: Network) -> Int {
        let widths = network.specification.levelWidths
        return min(widths.min() ?? 1, widths[0] <= 512 ? 512 : 64)
    }

    /// The exponents, log₁₀ σ₁, log₁₀ σ_min and the rank.
    private static func quantities(_ network: Network) -> Int { directions(network) + 3 }

    public func length(_ network: Network, examples: Int) -> Int {
        Self.quantities(network) * min(examples, Self.examplesMax)
    }

    public func cost(_ network: Network, examples: Int) -> Double {
        // A QR in float32 and a product in float64 weigh about as much as five products of the layer.
        Double(6 * Self.directions(network) * min(examples, Self.examplesMax))
    }

    public func partial(_ share: ProbeShare) -> [Double] {
        let network = share.version.network
        var table = ExampleTable(quantities: Self.quantities(network), examples: min(share.examples, Self.examplesMax))
        for (column, slot) in share.chosen(atMost: Self.examplesMax) {
            let spectrum = Self.spectrum(share.version, at: share.inputs.columns(column..<column + 1))
            for (quantity, value) in Self.values(spectrum).enumerated() { table[quantity, slot] = value }
        }
        return table.elements
    }

    /// The spectrum at one example [inputs, 1].
    public static func spectrum(_ version: FrozenNetwork, at inputs: Matrix) -> LyapunovSpectrum {
        let levels = version.trace(inputs).dropFirst().map { $0 }
        return LyapunovSpectrum(layers: version.depth, inputs: levels[0].rows, count: directions(version.network)) { layer, q in
            let (x, y) = (levels[layer].repeated(q.columns), levels[layer + 1].repeated(q.columns))
            return version.jvp(of: layer + 1, at: x, output: y, q)
        }
    }

    private static func values(_ spectrum: LyapunovSpectrum) -> [Double] {
        if spectrum.failure != nil { return Array(repeating: .nan, count: spectrum.count + 3) }
        let (rank, lost) = (spectrum.exponents.count, spectrum.count - spectrum.exponents.count)
        let extremes = [
            spectrum.largestDecades.number ?? (rank == 0 ? -.infinity : .nan),
            spectrum.smallestDecades.number ?? (lost > 0 ? -.infinity : .nan),
        ]
        return spectrum.exponents + Array(repeating: -.infinity, count: lost) + extremes + [Double(rank)]
    }

    public func rows(_ sums: [Double], version: FrozenNetwork, examples: Int) -> [DiagnosticRow] {
        let (network, count) = (version.network, Self.directions(version.network))
        let table = ExampleTable(sums, quantities: Self.quantities(network), examples: min(examples, Self.examplesMax))
        func summary(_ quantity: Int) -> ExampleSummary {
            let subject = quantity == count ? "the Jacobian, or what rounding leaves of it," : "the Jacobian"
            return ExampleSummary(table[quantity], subject: subject, vanishing: "the Jacobian loses rank")
        }
        let isWhole = network.specification.levelWidths[0] == count
        let followed = Measured.unavailable("only \(count) directions of x₀ are followed")
        func whole(_ value: Measured) -> Measured { isWhole ? value : followed }
        return [
            DiagnosticRow("D10", "lyapunov_exponent_max", summary(0).mean),
            DiagnosticRow("D10", "lyapunov_exponent_upper_quartile", whole(summary(count / 4).mean)),
            DiagnosticRow("D10", "lyapunov_exponent_median", whole(summary(count / 2).mean)),
            DiagnosticRow("D10", "lyapunov_exponent_lower_quartile", whole(summary(count * 3 / 4).mean)),
            DiagnosticRow("D10", "lyapunov_exponent_min", whole(summary(count - 1).mean)),
            DiagnosticRow("D10", "sigma_max_decades_mean", summary(count).mean),
            DiagnosticRow("D10", "sigma_max_decades_max", summary(count).largest),
            DiagnosticRow("D10", "sigma_min_decades_mean", whole(summary(count + 1).mean)),
            DiagnosticRow("D10", "sigma_min_decades_min", whole(summary(count + 1).smallest)),
            DiagnosticRow("D10", "jacobian_rank_mean", summary(count + 2).mean),
        ]
    }
}
