import ExperimentFile
import ParameterServer
import ShardKernels
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
    /// Whether the optimizer's moments are those of the version.
    private let hasMoments: Bool
    private let plan: TrainingPlan
    /// Those that are still to be measured, the one at hand first.
    public private(set) var names: [DiagnosticsSpecification.Name]
    private var conductor: CurvatureConductor?
    /// Curvature matrices that are still to be examined, and the rows of those that were.
    private var examinations: [CurvatureOptions] = []
    private var rows: [DiagnosticRow] = []

    /// A programme for diagnostics of tier T2, in this order.
    ///
    /// - Parameter hasMoments: false where only the parameters of the version are known.
    public init(plan: TrainingPlan, version: Step, names: [DiagnosticsSpecification.Name], hasMoments: Bool = true) {
        (self.plan, self.version, self.names, self.hasMoments) = (plan, version, names, hasMoments)
    }

    public mutating func start() -> Action { goOn() }

    /// What comes after a diagnostic.
    public mutating func goOn() -> Action {
        guard let name = names.first else { return .finished }
        if name.networkProbe != nil { return .order(.begin(ProbeTask(version: version, work: .measure(name)))) }
        let missing = plan.missingPreconditioner(at: version, hasMoments: hasMoments)
        examinations = plan.curvature.filter { missing == nil || !$0.isPreconditioned }
        rows = missing.map { [DiagnosticRow("D14", CurvatureReport.preconditionedQuantity, .unavailable($0))] } ?? []
        examineNext()
        return advance()
    }

    private mutating func examineNext() {
        conductor =
            examinations.isEmpty
            ? nil
            : CurvatureConductor(
                examinations.removeFirst(), layout: plan.krylovLayout, examples: plan.experiment.diagnostics.probeExamples)
    }

    /// What comes after the shard's answer.
    public mutating func receive(_ reply: ProbeShardReply) -> Action {
        switch reply {
        case .measured(let rows): return .measured(names.removeFirst(), rows)
        case .productTaken: conductor?.complete()
        case .krylov(let sums): conductor?.complete(sums)
        }
        return advance()
    }

    private mutating func advance() -> Action {
        while let present = conductor {
            switch present.action {
            case .shards(let command): return .order(.krylov(command, version))
            case .product(let step):
                return .order(.begin(ProbeTask(version: version, work: .product(present.options.kind, step: step))))
            case .finished(let report):
                rows += plan.selected(report.rows(thresholds: plan.stabilityThresholds(at: version)))
                examineNext()
            }
        }
        return .measured(names.removeFirst(), rows)
    }
}

extension TrainingPlan {
    /// The curvature matrices that a probe examines: the Hessian as closely as asked for, the others by two runs for an error of the trace.
    var curvature: [CurvatureOptions] {
        let (diagnostics, seed) = (experiment.diagnostics, experiment.seed)
        let plain = CurvatureKind.allCases.map { kind in
            CurvatureOptions(
                kind, probes: kind == .hessian ? diagnostics.lanczosRuns : min(2, diagnostics.lanczosRuns),
                steps: diagnostics.lanczosSteps, seed: seed)
        }
        if !update.isPreconditioned { return plain }
        return plain + [
            CurvatureOptions(preconditioned: true, probes: 1, steps: diagnostics.lanczosSteps, seed: seed, tolerance: 1e-3)
        ]
    }

    /// Why the preconditioned Hessian of a version cannot be had; nil where it can, or where it is the Hessian.
    func missingPreconditioner(at version: Step, hasMoments: Bool) -> String? {
        if !update.isPreconditioned || !experiment.optimizer.kind.isAdaptive { return nil }
        if version == 0 { return "the optimizer has taken no step that its scaling could follow from" }
        return hasMoments ? nil : "the checkpoint holds no moments of the optimizer"
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
