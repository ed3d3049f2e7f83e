import ExperimentFile
import LinearAlgebra
import Logging
import ParameterServer
import RunStore
import ShardKernels
import Synchronization
import Training

/// One coordinator's time in a run directory: it holds the lease, and knows the history that it writes and the version it begins with.
public final class RunTenure: Sendable {
    public let directory: RunDirectory
    /// Whether an earlier coordinator has begun the run.
    public let isResumed: Bool
    /// The history of the first version.
    public let timeline: Timeline
    /// The first version: 0, or a snapshot's.
    public let version: Step
    let state: OptimizerState
    /// What diagnostics have cost so far.
    let past: DiagnosticsBudget.Past
    private let lease: Mutex<CoordinatorLease?>

    /// Begins a new run in an empty directory. Blocking.
    ///
    /// - Throws: `RunDirectoryError` when another coordinator is there or the disk does not take it.
    public init(beginning plan: TrainingPlan, in directory: RunDirectory) throws {
        lease = Mutex(try CoordinatorLease(of: directory))
        self.directory = directory
        try directory.writeExperiment(plan.experiment.resolvedYAML())
        (isResumed, version, state, past) = (false, 0, plan.initialState(), DiagnosticsBudget.Past())
        timeline = Timeline(rawValue: try directory.snapshots.beginTimeline())
    }

    /// Goes on with a run from its newest snapshot that is whole, or from the beginning when there is none. Blocking.
    ///
    /// - Throws: `RunDirectoryError` when another coordinator is there; `ClusterError` when the run has finished or another plan wrote it.
    public init(resuming plan: TrainingPlan, in directory: RunDirectory, log: Logger) throws {
        lease = Mutex(try CoordinatorLease(of: directory))
        self.directory = directory
        let record = try RunRecord(path: directory.recordPath, isWriter: false)
        defer { try? record.close() }
        if try record.readMeta("weights_sha256") != nil {
            throw ClusterError.unusable(
                "\(directory.path) has finished all its \(plan.experiment.training.steps) steps; there is nothing to resume")
        }
        if let digest = try record.readMeta("data_digest"), digest != plan.data.digest {
            throw ClusterError.unusable(
                "the data has the digest \(plan.data.digest.prefix(12)), but \(directory.path) was begun with \(digest.prefix(12)); "
                    + "give it the same data files")
        }
        isResumed = true
        (version, state) = Self.newestSnapshot(plan: plan, directory: directory) { log.warning("\($0)") }
        past = try Self.past(record, version)
        timeline = Timeline(rawValue: try directory.snapshots.beginTimeline())
    }

    /// Probes hold the steps up, and are no part of their time.
    private static func past(_ record: RunRecord, _ version: Step) throws -> DiagnosticsBudget.Past {
        let (measurements, stepSeconds) = try record.costs(upTo: version)
        var past = DiagnosticsBudget.Past()
        past.elapsed = stepSeconds
        for cost in measurements {
            past.spent += cost.all
            // One of an earlier plumb may be called otherwise.
            guard let name = DiagnosticsSpecification.Name(rawValue: cost.name) else { continue }
            past.costs[name] = .init(all: cost.all, last: cost.last, version: cost.version)
            if name.tier == .onProbes { past.elapsed += cost.all }
        }
        return past
    }

    /// Gives the directory to whoever comes next.
    public func end() { lease.withLock { $0 = nil } }

    /// The newest version before the last one that is on disk whole; version 0 when there is none. Blocking.
    ///
    /// - Parameter complain: told of every snapshot that had to be passed over, in a sentence.
    static func newestSnapshot(plan: TrainingPlan, directory: RunDirectory, complain: (String) -> Void) -> (Step, OptimizerState) {
        let (usable, damaged) = directory.snapshots.manifests()
        for error in damaged { complain("\(error); the snapshot before it is used") }
        // A run that has its last version but not its record takes the last steps again.
        for manifest in usable where manifest.step < plan.experiment.training.steps {
            do {
                let file = try SafetensorsFile(try directory.snapshots.verify(manifest))
                return (manifest.step, try Checkpoints.state(of: file, plan: plan))
            } catch { complain("\(error); the snapshot before it is used") }
        }
        return (0, plan.initialState())
    }
}
