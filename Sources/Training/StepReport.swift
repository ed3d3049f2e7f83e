import ExperimentFile
import ParameterServer
import SpectralDiagnostics

/// What is known of a step once it is applied. Every value is a function of the experiment alone.
public struct StepReport: Hashable, Sendable {
    public let step: Step
    /// Mean over the batch.
    public let trainLoss: Double
    public let trainAccuracy: Double
    /// ‖mean gradient‖₂ before clipping; nil when the step did not need it.
    public let gradientNorm: Double?
    public let clipScale: Double
    public let learningRate: Double
    /// D12, D19 and D20 where they were due.
    public let diagnostics: [DiagnosticRow]

    /// Puts the report together.
    public init(plan: TrainingPlan, step: Step, scalars: [Double], squaredNorms: [Double]?, decision: StepDecision) {
        let statistics = StepStatistics(layout: plan.statistics, values: scalars)
        let batch = Double(plan.experiment.training.batch)
        self.step = step
        trainLoss = statistics.lossSum / batch
        trainAccuracy = Double(statistics.correct) / batch
        gradientNorm = decision.gradientNorm
        clipScale = decision.clipScale
        learningRate = plan.experiment.optimizer.learningRate(at: step)
        diagnostics = Self.diagnostics(of: plan, scalars: scalars, squaredNorms: squaredNorms ?? [])
    }

    /// D12, D19 and D20 where the scalars carry what they need.
    static func diagnostics(of plan: TrainingPlan, scalars: [Double], squaredNorms: [Double]) -> [DiagnosticRow] {
        let statistics = StepStatistics(layout: plan.statistics, values: scalars)
        return statistics.isGathered ? plan.selected(diagnostics(plan, statistics, squaredNorms)) : []
    }

    private static func diagnostics(_ plan: TrainingPlan, _ statistics: StepStatistics, _ segmentNorms: [Double]) -> [DiagnosticRow]
    {
        let select = plan.experiment.diagnostics.select
        let norms = groupNorms(plan, segmentNorms)
        var rows: [DiagnosticRow] = []
        if select.contains(.depthSlope) { rows += depthSlopes(plan, statistics, norms) }
        let noise = noises(plan, statistics, norms)
        if select.contains(.noiseScale) {
            for (layer, noise) in noise {
                rows.append(DiagnosticRow("D19", layer: layer, "noise", noise.noise))
                rows.append(DiagnosticRow("D19", layer: layer, "signal", noise.signal))
                rows.append(DiagnosticRow("D19", layer: layer, "noise_scale_examples", noise.scale))
            }
        }
        if select.contains(.agreement) {
            rows += noise.map { DiagnosticRow("D20", layer: $0, "agreement", $1.agreement) }
        }
        return rows
    }

    /// ‖summed gradient‖² of each group of parameters 0…L+1, segments in the plan's order.
    private static func groupNorms(_ plan: TrainingPlan, _ segmentNorms: [Double]) -> [Double] {
        var norms = Array(repeating: 0.0, count: plan.statistics.groups)
        let segments = plan.chunks.chunks.flatMap(\.segments)
        for (segment, norm) in zip(segments, segmentNorms) { norms[plan.blocks[segment.block].layer] += norm }
        return norms
    }

    /// Of every layer that has parameters, then of the whole network (layer nil).
    private static func noises(_ plan: TrainingPlan, _ statistics: StepStatistics, _ norms: [Double]) -> [(Int?, GradientNoise)] {
        let leaves = Array(statistics.leafSquaredNorms)
        func noise(_ summed: Double, _ square: Double) -> GradientNoise {
            GradientNoise(
                microbatches: plan.experiment.training.partitions, examples: plan.microbatch, summedSquares: summed,
                squareOfSum: square)
        }
        let layers = Set(plan.blocks.filter { !$0.isState }.map(\.layer)).sorted()
        return layers.map { ($0, noise(leaves[$0], norms[$0])) } + [(nil, noise(leaves.reduce(0, +), norms.reduce(0, +)))]
    }

    private static func depthSlopes(_ plan: TrainingPlan, _ statistics: StepStatistics, _ norms: [Double]) -> [DiagnosticRow] {
        let batch = Double(plan.experiment.training.batch)
        let activations = statistics.activationSquares.map { ($0 / batch).squareRoot() }
        // δ of the mean loss, root mean square over the examples.
        let deltas = statistics.deltaSquares.map { ($0 / batch).squareRoot() }
        let gradients = norms.map { $0.squareRoot() / batch }
        let cosines = statistics.cosineSums.map { $0 / Double(plan.experiment.training.partitions) }
        var rows: [DiagnosticRow] = []
        for (quantity, values) in [
            ("activation_norm", activations), ("delta_norm", deltas), ("gradient_norm", gradients), ("mean_cosine", cosines),
        ] {
            for (layer, value) in values.enumerated() {
                let measured = value.isFinite ? Measured.value(value) : .unavailable("it is \(value): the network has diverged")
                rows.append(DiagnosticRow("D12", layer: layer, quantity, measured))
            }
        }
        let between = Array(gradients[1...plan.statistics.depth])
        for (name, norms, first) in [("activation", activations, 0), ("delta", deltas, 0), ("gradient", between, 1)] {
            let fit = DepthSlope(norms: norms, firstLayer: first)
            rows.append(DiagnosticRow("D12", "\(name)_slope_decades_per_layer", fit.slope))
            rows.append(DiagnosticRow("D12", "\(name)_slope_r_squared", fit.rSquared))
        }
        return rows
    }
}
