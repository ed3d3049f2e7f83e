import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import Training

/// A shard in some process: the very machine and store, and what their shell keeps. A reference, for it is looked at after every event.
final class SimulatedShard {
    var machine: ShardMachine
    var store: ShardStore
    var statistics = StatisticsReducer()
    /// Of the chunks' segments, by chunk.
    var norms: [[Double]]
    var clipScale = 1.0
    /// Which partitions each held sum counts: how often, by chunk and node.
    var counted: [[TreeNode: [Int]]]

    init(problem: SimulatedProblem, chunks: [ChunkIndex], copiesProbed: Bool, timeline: Timeline, state: OptimizerState) {
        let (plan, training) = (problem.plan, problem.plan.experiment.training)
        machine = ShardMachine(
            .init(
                tree: plan.tree, chunks: chunks, statistics: plan.chunks.statistics, steps: training.steps,
                twoPhase: training.twoPhase, captures: plan.captures, probes: plan.probes, copiesProbed: copiesProbed),
            timeline: timeline)
        store = ShardStore(plan: plan.chunks, update: plan.update, state: state)
        norms = Array(repeating: [], count: plan.chunks.chunks.count)
        counted = Array(repeating: [:], count: plan.chunks.frameCount)
    }

    /// The squared norms of all its chunks' segments, in the plan's order.
    var reducedNorms: [Double] {
        machine.configuration.chunks.filter { $0 != machine.configuration.statistics }.flatMap { norms[Int($0.rawValue)] }
    }
}

/// A worker's part as a host of shards, from when it knows that it is one.
final class SimulatedHost {
    let timeline: Timeline
    let chunks: [ChunkIndex]
    /// Those of the timeline's first version that have not arrived.
    var missing: [ChunkIndex]
    var installing: OptimizerState
    /// nil until all have.
    var shard: SimulatedShard?
    /// When something last came of what was said.
    var waitingSince: Int
    /// What is said again when nothing comes of it.
    var applied: Step?
    var reduced: (step: Step, squaredNorms: [Double])?
    /// Copies that the coordinator has not taken.
    var outbox: [(name: CaptureName, state: OptimizerState)] = []
    var outboxSince = 0

    init(timeline: Timeline, chunks: [ChunkIndex], like state: OptimizerState, now: Int) {
        self.timeline = timeline
        self.chunks = chunks
        missing = chunks
        // What is not installed must not be taken for values.
        installing = state
        for index in 0..<state.parameters.count { Self.poison(index, &installing) }
        waitingSince = now
    }

    private static func poison(_ index: Int, _ state: inout OptimizerState) {
        var parameters = state.parameters.mutableSpan
        parameters[index] = .nan
        var first = state.firstMoment.mutableSpan
        first[index] = .nan
        if state.secondMoment.count == 0 { return }
        var second = state.secondMoment.mutableSpan
        second[index] = .nan
    }

    /// Takes one chunk of `state`.
    func install(_ range: Range<Int>, of state: OptimizerState) {
        Self.copy(range, state.parameters, &installing.parameters)
        Self.copy(range, state.firstMoment, &installing.firstMoment)
        if state.secondMoment.count > 0 { Self.copy(range, state.secondMoment, &installing.secondMoment) }
    }

    private static func copy(_ range: Range<Int>, _ source: AlignedVector, _ target: inout AlignedVector) {
        var span = target.mutableSpan
        for index in range { span[index] = source.span[index] }
    }
}
