import ExperimentFile
import StructuredLayers

extension TrainingPlan {
    /// What the first measurement of each diagnostic of the weights is expected to take, in seconds, on a core that is shared.
    ///
    /// From operation counts at rates that a busy core of today keeps; afterwards the last measurement's own time counts. O(layers).
    public var examinationEstimates: [DiagnosticsSpecification.Name: Double] {
        let spectra = network.mapShapes
            .filter { experiment.diagnostics.includes(layer: $0.layer, depth: network.layers.count) }
            .reduce(0) { $0 + Self.spectrumSeconds(rows: $1.rows, columns: $1.columns) }
        let forward = 2 * Double(VersionExaminer.batch) * Double(network.layout.parameterCount)
        return [
            .spectrum: spectra, .update: spectra, .tails: 1.4 * spectra, .noiseBulk: 1.4 * spectra,
            .caps: forward / Self.operationsPerSecond,
        ]
    }

    /// Of one core that has other work too.
    static let operationsPerSecond = 1e10

    /// The Gram matrix, its tridiagonal form, and that one's eigenvalues.
    private static func spectrumSeconds(rows: Int, columns: Int) -> Double {
        let (m, n) = (Double(max(rows, columns)), Double(min(rows, columns)))
        return n * n * (m + 4 * n / 3 + 300) / operationsPerSecond
    }
}
