import Datasets
import LinearAlgebra
import ParameterServer
import SpectralDiagnostics
import StructuredLayers

/// Loss and accuracy on one part of the data.
public struct Evaluation: Hashable, Sendable {
    public var loss: Double
    public var accuracy: Double
    public var count: Int

    /// An evaluation of these values.
    public init(loss: Double, accuracy: Double, count: Int) { (self.loss, self.accuracy, self.count) = (loss, accuracy, count) }
}

/// Looks at one frozen version: validates it and examines its matrices. Not the training's own thread; keeps its buffers.
///
/// Batches have one fixed shape and run in order, so every value is a function of the parameters alone.
public struct VersionExaminer {
    private let plan: TrainingPlan
    private var full: NetworkWorkspace
    /// Examples that are evaluated at once.
    static let batch = 256

    public init(_ plan: TrainingPlan) {
        self.plan = plan
        full = plan.network.makeWorkspace(batch: Self.batch)
    }

    /// Mean loss and accuracy over `data`; nil when it is empty.
    public mutating func evaluate(_ parameters: AlignedVector, on data: Dataset) -> Evaluation? {
        if data.count == 0 { return nil }
        var (lossSum, correct) = (0.0, 0)
        plan.network.derive(parameters.span, into: &full)
        for start in stride(from: 0, to: data.count, by: Self.batch) {
            let count = min(Self.batch, data.count - start)
            let outcome: MicrobatchOutcome
            if count == Self.batch {
                outcome = Self.outcome(plan, parameters, data, start..<start + count, &full)
            } else {
                var rest = plan.network.makeWorkspace(batch: count)
                plan.network.derive(parameters.span, into: &rest)
                outcome = Self.outcome(plan, parameters, data, start..<start + count, &rest)
            }
            lossSum += outcome.lossSum
            correct += outcome.correct
        }
        return Evaluation(loss: lossSum / Double(data.count), accuracy: Double(correct) / Double(data.count), count: data.count)
    }

    private static func outcome(
        _ plan: TrainingPlan, _ parameters: AlignedVector, _ data: Dataset, _ range: Range<Int>, _ workspace: inout NetworkWorkspace
    ) -> MicrobatchOutcome {
        var inputs = Matrix(rows: data.featureCount, columns: range.count)
        var labels: [Int32] = []
        data.gather(range.map { Int32($0) }, into: &inputs, labels: &labels)
        return plan.network.evaluate(parameters: parameters.span, inputs: inputs.view, labels: labels, workspace: &workspace)
    }

    /// How much of its caps each layer's correction uses, on the first training examples: rows of the diagnostic `caps`.
    public mutating func capUtilisation(_ parameters: AlignedVector) -> [DiagnosticRow] {
        guard plan.network.layers.contains(where: \.hasCap) else { return [] }
        let count = min(Self.batch, plan.data.train.count)
        if count < Self.batch {
            var fewer = plan.network.makeWorkspace(batch: count)
            return Self.capUtilisation(plan, parameters, count, &fewer)
        }
        return Self.capUtilisation(plan, parameters, count, &full)
    }

    private static func capUtilisation(
        _ plan: TrainingPlan, _ parameters: AlignedVector, _ count: Int, _ workspace: inout NetworkWorkspace
    ) -> [DiagnosticRow] {
        plan.network.derive(parameters.span, into: &workspace)
        _ = outcome(plan, parameters, plan.data.train, 0..<count, &workspace)
        func measured(_ value: Double) -> Measured {
            value.isFinite ? .value(value) : .unavailable("the correction's parameters are not finite")
        }
        return plan.network.capUtilisations(workspace).flatMap { layer in
            var rows: [DiagnosticRow] = []
            if let cap = layer.cap { rows.append(DiagnosticRow("caps", layer: layer.layer, "cap_utilisation", measured(cap))) }
            if !layer.outputs.isEmpty {
                let (mean, largest) = (layer.outputs.reduce(0, +) / Double(count), layer.outputs.reduce(0, max))
                rows.append(DiagnosticRow("caps", layer: layer.layer, "output_clip_utilisation_mean", measured(mean)))
                rows.append(DiagnosticRow("caps", layer: layer.layer, "output_clip_utilisation_max", measured(largest)))
            }
            return rows
        }
    }
}
