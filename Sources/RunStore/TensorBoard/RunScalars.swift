/// What rows of a run's record are called in TensorBoard, which makes a group of tags that agree up to the first slash.
enum RunScalars {
    static func values(_ step: RunHistory.Step) -> [TensorBoardEvent.Value] {
        var values = [
            scalar("train/loss", step.trainLoss), scalar("train/accuracy", step.trainAccuracy),
            scalar("train/learning_rate", step.learningRate),
        ]
        if let norm = step.gradientNorm { values.append(scalar("train/gradient_norm", norm)) }
        if let rate = step.samplesPerSecond { values.append(scalar("speed/samples_per_second", rate)) }
        return values
    }

    static func values(_ row: RunHistory.Validation) -> [TensorBoardEvent.Value] {
        [scalar("\(row.split)/loss", row.loss), scalar("\(row.split)/accuracy", row.accuracy)]
    }

    /// `D12/delta_norm/layer 003`, or `D12/delta_slope_decades_per_layer` of the whole network; nothing for n/a and for nodes.
    static func values(_ row: RunHistory.Quantity) -> [TensorBoardEvent.Value] {
        guard let value = row.value, !RunHistory.Quantity.isNode(row.quantity) else { return [] }
        let place = row.layer.map { "/layer \(digits($0))" } ?? ""
        return [scalar("\(row.diagnostic)/\(row.quantity)\(place)", value)]
    }

    /// `log10 singular values/003 layers.2.path`; nothing of a spectrum of which only the top is known, whose scalars say more.
    static func values(_ row: RunHistory.Spectrum) -> [TensorBoardEvent.Value] {
        guard row.isComplete, let histogram = EventHistogram(singularValues: row.singularValues) else { return [] }
        let tag = "log10 singular values/\(digits(row.layer)) \(row.tensor)"
        return [TensorBoardEvent.Value(tag: tag, payload: .histogram(histogram))]
    }

    private static func scalar(_ tag: String, _ value: Double) -> TensorBoardEvent.Value {
        TensorBoardEvent.Value(tag: tag, payload: .scalar(value))
    }

    /// TensorBoard sorts tags as text.
    private static func digits(_ layer: Int) -> String {
        let text = String(layer)
        return String(repeating: "0", count: max(0, 3 - text.count)) + text
    }
}
