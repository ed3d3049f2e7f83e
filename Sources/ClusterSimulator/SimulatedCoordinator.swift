import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import Training

/// The coordinator's process: the very machines of coordinator and shard, and what their shells keep. A reference, for it is looked at
/// after every event.
final class SimulatedCoordinator {
    /// Changes with every start.
    let process: Int
    var machine: CoordinatorMachine
    /// All chunks, or the statistics alone where workers host the others.
    let shard: SimulatedShard
    var captures: CaptureAssembler
    /// The timelines of what is being put together: one for each copy, or something is wrong.
    var captureTimelines: [CaptureName: Set<Timeline>] = [:]
    var probe: ProbeShard
    /// The probe that runs.
    var programme: ProbeProgramme?
    /// Clipping factors decided and not yet used.
    var decided: [Step: Double] = [:]
    var members: [WorkerID: (slot: Int, isReady: Bool)] = [:]
    var slots: [WorkerID: Int] = [:]
    /// The snapshot store's history, which a rollback goes on from.
    var recorderTimeline: Timeline
    var isBetweenTimelines = false
    /// The last time each lane of posts delivers at.
    var laneTimes = [0, 0, 0, 0, 0]
    var generationChangedAt: Step
    /// The last version, once its copy is here.
    var last: OptimizerState?

    // MARK: Where workers host shards

    /// What every member is to know; nil between timelines.
    var peers: Peers?
    var hosts: [WorkerID] = []
    /// What the placement that the ledger is of was called.
    var placing: Generation?
    var ledger: ShardLedger?
    /// The timeline's first version, for whoever is to host some of it; nil once all of it is in place.
    var base: (version: Step, state: OptimizerState)?
    /// The step that was allowed last.
    var allowed: (step: Step, clipScale: Double)?
    /// Versions whose scheduled copies are whole on this timeline.
    var copied: Set<Step> = []
    /// Steps whose norms have come on this timeline.
    var normed: Set<Step> = []
    var captureAskedAt = 0
    /// The version that may be probed, from the shards.
    var probed: (version: Step, state: OptimizerState)?

    init(
        process: Int, problem: SimulatedProblem, placement: ShardPlacement, hostsMax: Int, version: Step, timeline: Timeline,
        state: OptimizerState, workersToStart: Int, now: Int
    ) {
        self.process = process
        let (plan, training) = (problem.plan, problem.plan.experiment.training)
        machine = CoordinatorMachine(
            .init(
                partitions: training.partitions, steps: training.steps, workersToStart: workersToStart, placement: placement,
                hostsMax: hostsMax, twoPhase: training.twoPhase, probes: plan.probes),
            version: version, timeline: timeline, now: Instant(sinceStart: .microseconds(now)))
        let all = (0..<UInt32(plan.chunks.frameCount)).map(ChunkIndex.init(rawValue:))
        shard = SimulatedShard(
            problem: problem, chunks: placement == .workers ? [plan.chunks.statistics] : all, copiesProbed: false,
            timeline: timeline, store: ShardStore(plan: plan.chunks, update: plan.update, state: state))
        probe = ProbeShard(plan: plan, timeline: timeline)
        captures = CaptureAssembler(plan: plan.chunks, optimizer: plan.experiment.optimizer, elements: state.parameters.count)
        recorderTimeline = timeline
        generationChangedAt = version
        base = (version, state)
    }
}
