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
    /// The hub's and the other threads', which host the chunks; the hub has the statistics alone where workers host the others.
    let shards: [SimulatedShard]
    var shard: SimulatedShard { shards[0] }
    /// Threads that have not put the version in place that the timeline goes back to.
    var restoring: Set<Int> = []
    var restored: (version: Step, timeline: Timeline)?
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
    var laneTimes: [Int: Int] = [:]
    var generationChangedAt: Step
    /// The last version, once its copy is here.
    var last: OptimizerState?

    // MARK: What the hub knows of all hosts

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
        process: Int, problem: SimulatedProblem, map: ShardMap?, hostsMax: Int, version: Step, timeline: Timeline,
        state: OptimizerState, workersToStart: Int, now: Int
    ) {
        self.process = process
        let (plan, training) = (problem.plan, problem.plan.experiment.training)
        machine = CoordinatorMachine(
            .init(
                partitions: training.partitions, steps: training.steps, workersToStart: workersToStart,
                placement: map == nil ? .workers : .coordinator,
                hostsMax: hostsMax, twoPhase: training.twoPhase, probes: plan.probes),
            version: version, timeline: timeline, now: Instant(sinceStart: .microseconds(now)))
        // One memory for all threads.
        let store = ShardStore(plan: plan.chunks, update: plan.update, state: state)
        let hosted = map.map { map in map.hosts.map(map.chunks) } ?? [[plan.chunks.statistics]]
        shards = hosted.map {
            SimulatedShard(problem: problem, chunks: $0, copiesProbed: false, timeline: timeline, store: store)
        }
        probe = ProbeShard(plan: plan, timeline: timeline)
        captures = CaptureAssembler(plan: plan.chunks, optimizer: plan.experiment.optimizer, elements: state.parameters.count)
        recorderTimeline = timeline
        generationChangedAt = version
        base = (version, state)
        ledger = map.map { ShardLedger(map: $0, plan: plan.chunks, version: version, captures: plan.captures) }
    }
}
