import Cluster

/// The end of a run in a few lines: what it reached, at what speed.
enum ResultTable {
    static func lines(_ result: RunResult) -> [String] {
        let summary = result.summary
        var lines = [""]
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
}
