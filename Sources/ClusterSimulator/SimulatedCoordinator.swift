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
    var shard: ShardMachine
    var store: ShardStore
    var statistics = StatisticsReducer()
    var captures: CaptureAssembler
    var probe: ProbeShard
    /// The probe that runs.
    var programme: ProbeProgramme?
    var norms: [[Double]]
    var clipScale = 1.0
    /// Clipping factors decided and not yet used.
    var decided: [Step: Double] = [:]
    var peers: [WorkerID: (slot: Int, isReady: Bool)] = [:]
    var slots: [WorkerID: Int] = [:]
    /// The snapshot store's history, which a rollback goes on from.
    var recorderTimeline: Timeline
    var isBetweenTimelines = false
    /// Which partitions each held sum counts: how often, by chunk and node.
    var counted: [[TreeNode: [Int]]]
    /// The step that each chunk applies next.
    var nextStep: [Step]
    /// The last time each lane of posts delivers at.
    var laneTimes = [0, 0, 0, 0, 0]
    var generationChangedAt: Step

    init(
        process: Int, problem: SimulatedProblem, version: Step, timeline: Timeline, state: OptimizerState, workersToStart: Int,
        now: Int
    ) {
        self.process = process
        let (plan, training) = (problem.plan, problem.plan.experiment.training)
        machine = CoordinatorMachine(
            .init(
                partitions: training.partitions, steps: training.steps, workersToStart: workersToStart, twoPhase: training.twoPhase,
                probes: plan.probes),
            version: version, timeline: timeline, now: Instant(sinceStart: .microseconds(now)))
        shard = ShardMachine(
            .init(
                tree: plan.tree, chunks: (0..<UInt32(plan.chunks.frameCount)).map(ChunkIndex.init(rawValue:)),
                statistics: plan.chunks.statistics, steps: training.steps, twoPhase: training.twoPhase, captures: plan.captures,
                probes: plan.probes),
            timeline: timeline)
        store = ShardStore(plan: plan.chunks, update: plan.update, state: state)
        probe = ProbeShard(plan: plan, timeline: timeline)
        captures = CaptureAssembler(
            plan: plan.chunks, optimizer: plan.experiment.optimizer, elements: state.parameters.count)
        norms = Array(repeating: [], count: plan.chunks.chunks.count)
        recorderTimeline = timeline
        counted = Array(repeating: [:], count: plan.chunks.frameCount)
        nextStep = Array(repeating: version, count: plan.chunks.frameCount)
        generationChangedAt = version
    }
}
