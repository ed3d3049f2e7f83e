import ExperimentFile
import Foundation
import Logging
import RunStore
import Training
import Transport

/// A whole cluster on this machine: a coordinator in this process, workers in processes of their own, connected over loopback.
public struct LocalCluster: Sendable {
    public var plan: TrainingPlan
    public var tenure: RunTenure
    /// The program to start workers with.
    public var executable: URL
    public var build: String

    public init(plan: TrainingPlan, tenure: RunTenure, executable: URL, build: String) {
        self.plan = plan
        self.tenure = tenure
        self.executable = executable
        self.build = build
    }

    /// Trains; returns when every worker process is gone. Blocking.
    ///
    /// - Parameter started: called with the coordinator, so that signals can stop it.
    /// - Throws: what `CoordinatorService.run` throws.
    public func run(display: (any RunDisplay)?, log: Logger, started: (CoordinatorService) -> Void) throws -> RunResult {
        let coordinator = try CoordinatorService(
            plan: plan, tenure: tenure, options: CoordinatorOptions(bind: .loopback(), build: build), log: log)
        started(coordinator)
        let workers = LocalProcesses()
        defer { workers.reap(patience: .seconds(5)) }
        coordinator.expectLocalWorkers(plan.experiment.cluster.workers)
        for index in 1...plan.experiment.cluster.workers {
            try workers.start(
                executable,
                ["worker", "--connect", "\(coordinator.endpoint)", "--name", "worker-\(index)", "--end-with-stdin", "--quiet"]
            ) { coordinator.processEnded($0) }
        }
        return try coordinator.run(display: display)
    }
}
