import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import StructuredLayers
import Training

/// A place where a worker process runs, one life after the other.
struct WorkerSlot {
    /// nil while no process runs here.
    var process: SimulatedWorker?
    /// The latest time at which a fault could have kept a heartbeat from arriving.
    var disturbedUntil = 0
}

/// A worker's process: the very machine, its two versions and one lane. A reference, as the coordinator is.
final class SimulatedWorker {
    struct Work {
        var step: Step
        var node: TreeNode
        /// nil for the incoming version's, which may still be arriving.
        var parameters: AlignedVector?
        var probe: ProbeOrder?
        var isAbandoned = false
    }

    struct Key: Hashable {
        var step: Step
        var node: TreeNode
    }

    /// Changes when the process starts; a rejoin changes the life alone.
    let process: Int
    var life: WorkerID
    var machine: WorkerMachine
    var current: AlignedVector
    var incoming: AlignedVector
    /// Computations ordered; the first one runs.
    var lane: [Work] = []
    var finished: [Key: (gradient: FloatMemory, scalars: NodeScalars)] = [:]
    var probe: ProbeFollower
    var finishedProbes: [TreeNode: (round: Step, product: AlignedVector, scalars: [Double])] = [:]
    var waitingSince: Int
    /// Where workers host shards: who takes part, and who hosts what on the timeline; the part that this one has in it.
    var peers: Peers?
    var map: ShardMap?
    var host: SimulatedHost?
    /// What is said again with every heartbeat until it is answered.
    var unanswered: Message? = .hello

    init(process: Int, life: WorkerID, problem: SimulatedProblem, now: Int) {
        self.process = process
        self.life = life
        let plan = problem.plan
        machine = WorkerMachine(tree: plan.tree, frameCount: plan.chunks.frameCount, steps: problem.steps, startsAhead: true)
        probe = ProbeFollower(plan: plan)
        current = AlignedVector(count: plan.network.layout.count)
        incoming = current
        waitingSince = now
    }

    var report: WorkerReport {
        WorkerReport(
            timeline: machine.currentTimeline ?? Timeline(rawValue: 0),
            generation: machine.currentGeneration ?? Generation(rawValue: 0),
            version: machine.version)
    }
}
