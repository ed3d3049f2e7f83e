import ExperimentFile
import Foundation
import LinearAlgebra
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
        let cores = coresOfWorkers
        for index in 1...plan.experiment.cluster.workers {
            let pinning = cores.isEmpty ? [] : ["--core", "\(cores[index - 1])"]
            try workers.start(
                executable,
                ["worker", "--connect", "\(coordinator.endpoint)", "--name", "worker-\(index)", "--end-with-stdin", "--quiet"]
                    + pinning
            ) { coordinator.processEnded($0) }
        }
        return try coordinator.run(display: display)
    }

    /// A core for each worker where there are as many: left to itself the system lets two lanes share one now and then, and a step waits
    /// for the slower. Otherwise none: other programs, and other runs, have a claim to the rest.
    private var coresOfWorkers: [Int] {
        let (cluster, cores) = (plan.experiment.cluster, ProcessorCores.allowed)
        return cluster.pinning == .auto && cluster.workers > 1 && cluster.workers == cores.count && cluster.threads == 1
            ? cores : []
    }
}
