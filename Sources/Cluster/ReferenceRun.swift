import ExperimentFile
import LinearAlgebra
import Logging
import ParameterServer
import RunStore
import ShardKernels
import Training

/// A run of the one-process reference trainer, recorded like any other.
public struct ReferenceRun: Sendable {
    public var plan: TrainingPlan
    public var tenure: RunTenure
    public var build: String

    public init(plan: TrainingPlan, tenure: RunTenure, build: String) {
        self.plan = plan
        self.tenure = tenure
        self.build = build
    }

    /// Trains to the end. Blocking; one thread.
    ///
    /// - Throws: `TrainingError`, or what the disk throws.
    public func run(display: (any RunDisplay)?, log: Logger) throws -> RunResult {
        BLAS.useOneThread()
        try plan.requireMemoryForCurvature()
        let budget = plan.diagnosticsBudget(after: tenure.past)
        let recorder = try RunRecorder(
            plan: plan, tenure: tenure, display: display, log: log, build: build, budget: budget, outlets: nil)
        var trainer = ReferenceTrainer(plan)
        var probe = LocalProbe(plan)
        var stepSeconds: Double?
        let start = ContinuousClock.now
        budget.begin()
        try capture(&trainer, recorder)
        do {
            for _ in 0..<plan.experiment.training.steps {
                try measure(&probe, trainer.step, trainer.state, stepSeconds, recorder, budget)
                let begin = ContinuousClock.now
                let report = try trainer.takeStep()
                let took = ContinuousClock.now - begin
                try recorder.take(
                    .step(
                        report, seconds: took.inSeconds, workers: 1,
                        shares: ["reference": plan.experiment.training.partitions]))
                try capture(&trainer, recorder)
                stepSeconds = took / .seconds(1)
            }
            try measure(&probe, trainer.step, trainer.state, stepSeconds, recorder, budget)
        } catch {
            recorder.abandon(reason: "\(error)")
            throw error
        }
        return try recorder.finish(elapsed: ContinuousClock.now - start)
    }

    /// Probes a version that is due, as the coordinator of a cluster does.
    private func measure(
        _ probe: inout LocalProbe, _ version: Step, _ state: OptimizerState, _ stepSeconds: Double?, _ recorder: RunRecorder,
        _ budget: DiagnosticsBudget
    ) throws {
        guard plan.probes.isDue(at: version) else { return }
        let names = budget.admit(
            plan.experiment.diagnostics.probes, at: version, estimates: plan.probeEstimates(stepSeconds: stepSeconds))
        var begin = SuspendingClock.now
        try probe.run(names, version: version, state: state) { name, rows in
            let duration = SuspendingClock.now - begin
            begin = .now
            let stretch = budget.charge(name, duration, at: version)
            try recorder.take(.diagnostics(version: version, name, rows, duration, stretch))
        }
    }

    private func capture(_ trainer: inout ReferenceTrainer, _ recorder: RunRecorder) throws {
        guard let kind = plan.captures.capture(at: trainer.step) else { return }
        try recorder.take(
            .capture(Capture(version: trainer.step, occasion: .scheduled(complete: kind == .complete), state: trainer.state)))
    }
}
