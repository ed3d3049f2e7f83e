import Cluster
import SpectralDiagnostics
import Training

/// The end of a run in a few lines: accuracy, then what the layers look like inside.
enum ResultTable {
    static func lines(_ result: RunResult) -> [String] {
        let summary = result.summary
        var lines = [""]
        if !result.spectra.isEmpty { lines += spectra(result) + [""] }
        lines += wholeNetwork(result)
        lines.append("")
        if let accuracy = summary.testAccuracy {
            lines.append("test accuracy        \(Figures.percent(accuracy))   loss \(Figures.short(summary.testLoss))")
        }
        if let best = summary.bestStep {
            lines.append("best validation      \(Figures.percent(summary.bestValidationAccuracy))   at step \(best)")
        }
        lines.append(
            "speed                \(Figures.count(summary.samplesPerSecond)) samples/s   step \(Figures.short(summary.stepSeconds.median * 1000)) ms median, \(Figures.short(summary.stepSeconds.p95 * 1000)) ms p95"
        )
        let shares = summary.microbatchesPerWorker.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        lines.append("microbatches         \(shares.joined(separator: ", "))")
        lines.append("weights SHA-256      \(summary.weightsSHA256)")
        lines.append("run                  \(summary.runDirectory)")
        return lines
    }

    private static func spectra(_ result: RunResult) -> [String] {
        var table = TextTable("map", "sigma max", "sigma min", "condition", "stable rank", "eff. rank", "orthogonality")
        for layer in result.spectra {
            let spectrum = layer.spectrum
            table.append(
                layer.name, Figures.short(spectrum.spectralNorm.number),
                Figures.short(spectrum.singularValues.last),
                Figures.short(spectrum.conditionNumber.number), Figures.short(spectrum.stableRank.number),
                Figures.short(spectrum.effectiveRank.number), Figures.short(spectrum.orthogonalityError.number))
        }
        return table.lines()
    }

    private static func wholeNetwork(_ result: RunResult) -> [String] {
        let names = [
            ("delta_slope_decades_per_layer", "gradient slope      ", " decades/layer"),
            ("activation_slope_decades_per_layer", "activation slope    ", " decades/layer"),
            ("noise_scale_examples", "gradient noise scale", " examples"), ("agreement", "worker agreement    ", ""),
        ]
        return names.compactMap { quantity, title, unit in
            guard let row = result.diagnostics.first(where: { $0.layer == nil && $0.quantity == quantity }) else { return nil }
            let spread = row.value.uncertainty.map { " ± \(Figures.short($0))" } ?? ""
            if let reason = row.value.reason { return "\(title) n/a: \(reason)" }
            return "\(title) \(Figures.short(row.value.number))\(spread)\(unit)"
        }
    }
}
