import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import StructuredLayers
import Training

/// A shard in some process: the very machine and store, and what their shell keeps. A reference, for it is looked at after every event.
final class SimulatedShard {
    var machine: ShardMachine
    var store: ShardStore
    var statistics = StatisticsReducer()
    /// Of the chunks' segments, by chunk.
    var norms: [[Double]]
    /// Chunks whose norms are there, of a step that waits for nothing.
    var normsGathered = 0
    var clipScale = 1.0
    /// Which partitions each held sum counts: how often, by chunk and node.
    var counted: [[TreeNode: [Int]]]

    init(problem: SimulatedProblem, chunks: [ChunkIndex], copiesProbed: Bool, timeline: Timeline, store: ShardStore) {
        let (plan, training) = (problem.plan, problem.plan.experiment.training)
        machine = ShardMachine(
            .init(
                tree: plan.tree, chunks: chunks, statistics: plan.chunks.statistics, steps: training.steps,
                twoPhase: training.twoPhase, captures: plan.captures, probes: plan.probes, copiesProbed: copiesProbed),
            timeline: timeline)
        self.store = store
        norms = Array(repeating: [], count: plan.chunks.chunks.count)
        counted = Array(repeating: [:], count: plan.chunks.frameCount)
    }

    /// A section of a chunk's latest version, copied: what is sent may arrive after the next step.
    func section(_ section: Int, of chunk: ChunkIndex) -> [Float] {
        let values = store.section(section, of: chunk)
        let bytes = values.bytes(0..<values.count)
        return (0..<values.count).map { unsafe bytes.unsafeLoadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    }

    /// What is copied of a chunk for an occasion.
    func sections(of name: CaptureName) -> [[Float]] {
        (0..<(name.occasion.isComplete ? store.sectionCount : 1)).map { section($0, of: name.chunk) }
    }

    /// The chunks of parameters.
    var parameterChunks: [ChunkIndex] { machine.configuration.chunks.filter { $0 != machine.configuration.statistics } }

    /// The squared norms of all its chunks' segments, in the plan's order.
    var reducedNorms: [Double] { parameterChunks.flatMap { norms[Int($0.rawValue)] } }
}

/// A worker's part as a host of shards, from when it knows that it is one.
final class SimulatedHost {
    let timeline: Timeline
    let chunks: [ChunkIndex]
    /// Those of the timeline's first version that have not arrived.
    var missing: [ChunkIndex]
    var store: ShardStore
    /// nil until all have.
    var shard: SimulatedShard?
    /// When something last came of what was said.
    var waitingSince: Int
    /// What is said again when nothing comes of it.
    var applied: Step?
    var reduced: (step: Step, squaredNorms: [Double])?

    init(timeline: Timeline, chunks: [ChunkIndex], problem: SimulatedProblem, now: Int) {
        self.timeline = timeline
        self.chunks = chunks
        missing = chunks
        let plan = problem.plan
        store = ShardStore(
            plan: plan.chunks, update: plan.update, versions: ParameterVersions(count: plan.network.layout.count))
        waitingSince = now
    }
}
