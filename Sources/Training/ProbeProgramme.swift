import ExperimentFile
import ParameterServer
import SpectralDiagnostics
import StructuredLayers

/// What the coordinator does in a probe of one version: one diagnostic after the other, round by round.
///
/// A pure state machine; carry out its actions, and tell it what came of them.
public struct ProbeProgramme: Sendable {
    /// What is to be done next.
    public enum Action: Sendable {
        /// Have the shard do this, and hand its answer to `receive`.
        case order(ProbeShardOrder)
        /// A diagnostic is done; ask `goOn` for more.
        case measured(DiagnosticsSpecification.Name, [DiagnosticRow])
        /// Nothing is left.
        case finished
    }

    public let version: Step
    private let plan: TrainingPlan
    private var names: [DiagnosticsSpecification.Name]
    private var conductor: CurvatureConductor?

    /// A programme for diagnostics of tier T2, in this order.
    public init(plan: TrainingPlan, version: Step, names: [DiagnosticsSpecification.Name]) {
        (self.plan, self.version, self.names) = (plan, version, names)
    }

    public mutating func start() -> Action { goOn() }

    /// What comes after a diagnostic.
    public mutating func goOn() -> Action {
        guard let name = names.first else { return .finished }
        if name.networkProbe != nil { return .order(.begin(ProbeTask(version: version, work: .measure(name)))) }
        conductor = CurvatureConductor(
            plan.curvature, layout: plan.krylovLayout, examples: plan.experiment.diagnostics.probeExamples)
        return advance()
    }

    /// What comes after the shard's answer.
    public mutating func receive(_ reply: ProbeShardReply) -> Action {
        switch reply {
        case .measured(let rows): return .measured(names.removeFirst(), rows)
        case .gradientTaken: conductor?.complete()
        case .krylov(let sums): conductor?.complete(sums)
        }
        return advance()
    }

    private mutating func advance() -> Action {
        switch conductor?.action {
        case .shards(let command): return .order(.krylov(command))
        case .gradient(let sign): return .order(.begin(ProbeTask(version: version, work: .gradient(.hessian, sign))))
        case .finished(let report):
            conductor = nil
            return .measured(names.removeFirst(), plan.selected(report.rows(thresholds: plan.stabilityThresholds(at: version))))
        case nil: return .finished
        }
    }
}

extension TrainingPlan {
    /// How closely curvature is looked at while training.
    var curvature: CurvatureOptions {
        CurvatureOptions(
            probes: experiment.diagnostics.lanczosRuns, steps: experiment.diagnostics.lanczosSteps, seed: experiment.seed)
    }

    /// What the sharpness of `version` is to be held against.
    func stabilityThresholds(at version: Step) -> [StabilityThreshold] {
        let rate = experiment.optimizer.learningRate(at: version)
        switch experiment.optimizer.kind {
        case .sgd(let momentum):
            return momentum == 0
                ? [.gradientDescent(learningRate: rate)] : [.heavyBall(learningRate: rate, momentum: Double(momentum))]
        case .adam(let beta1, _, _), .adamW(let beta1, _, _): return [.adam(learningRate: rate, beta1: Double(beta1))]
        }
    }
}
