import ExperimentFile
import ParameterServer
import ShardKernels

/// What is decided on the whole gradient before a step is applied.
public struct StepDecision: Hashable, Sendable {
    /// The factor of global-norm clipping; 1 when nothing is clipped.
    public let clipScale: Double
    /// ‖mean gradient‖₂; nil when the step did not need it.
    public let gradientNorm: Double?

    /// Decides step `step` from the squared norms of every segment of the summed gradient, in the plan's order.
    ///
    /// - Throws: `TrainingError.gradientNotFinite` if the experiment says to stop on it.
    public init(plan: TrainingPlan, step: Step, squaredNorms: [Double]?) throws(TrainingError) {
        guard let squaredNorms else {
            (clipScale, gradientNorm) = (1, nil)
            return
        }
        var total = 0.0
        for norm in squaredNorms { total += norm }
        gradientNorm = plan.update.meanNorm(squaredNorm: total)
        let training = plan.experiment.training
        if !total.isFinite && training.onNonFinite == .stop {
            let segments = plan.chunks.chunks.flatMap(\.segments)
            let index = squaredNorms.firstIndex { !$0.isFinite } ?? 0
            throw .gradientNotFinite(step: step, block: plan.blocks[segments[index].block].name)
        }
        clipScale = plan.update.clipScale(squaredNorm: total, bound: training.clip)
    }
}

/// Why training cannot go on.
public enum TrainingError: Error, Hashable, Sendable, CustomStringConvertible {
    case gradientNotFinite(step: Step, block: String)

    public var description: String {
        switch self {
        case .gradientNotFinite(let step, let block):
            "the gradient of \(block) is not finite at step \(step), so the step was not applied; lower optimizer.learningRate, set "
                + "training.clip, or say training.onNonFinite: continue"
        }
    }
}
