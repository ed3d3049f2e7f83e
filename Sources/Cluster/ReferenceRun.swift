import ExperimentFile
import LinearAlgebra
import Logging
import ParameterServer
import RunStore
import Training

/// A run of the one-process reference trainer, recorded like any other.
public struct ReferenceRun: Sendable {
    public var plan: TrainingPlan
    public var directory: RunDirectory
    public var build: String

    public init(plan: TrainingPlan, directory: RunDirectory, build: String) {
        self.plan = plan
        self.directory = directory
        self.build = build
    }

    /// Trains to the end. Blocking; one thread.
    ///
    /// - Throws: `TrainingError`, or what the disk throws.
    public func run(display: (any RunDisplay)?, log: Logger) throws -> RunResult {
        BLAS.useOneThread()
        let recorder = try RunRecorder(plan: plan, directory: directory, display: display, log: log, build: build)
        var trainer = ReferenceTrainer(plan)
        let start = ContinuousClock.now
        try capture(&trainer, recorder)
        do {
            for _ in 0..<plan.experiment.training.steps {
                let begin = ContinuousClock.now
                let report = try trainer.takeStep()
                let took = ContinuousClock.now - begin
                try recorder.take(
                    .step(
                        report, seconds: Double(took.components.seconds) + Double(took.components.attoseconds) * 1e-18, workers: 1))
                try capture(&trainer, recorder)
            }
        } catch {
            recorder.abandon(reason: "\(error)")
            throw error
        }
        let microbatches = Int(plan.experiment.training.steps) * plan.experiment.training.partitions
        return try recorder.finish(contributions: ["reference": microbatches], elapsed: ContinuousClock.now - start)
    }

    private func capture(_ trainer: inout ReferenceTrainer, _ recorder: RunRecorder) throws {
        guard let kind = plan.captures.capture(at: trainer.step) else { return }
        try recorder.take(.capture(Capture(version: trainer.step, isComplete: kind == .complete, state: trainer.state)))
    }
}
