import LinearAlgebra
import ParameterServer
import ShardKernels
import Training

/// What the coordinator tells a shard host.
enum ShardPost: Sendable {
    case applyAllowed(step: Step, timeline: Timeline, clipScale: Double)
    /// A worker is a member: its frames count from now on.
    case admitted(WorkerID, memory: String)
    /// A worker is no member any more: it is sent nothing, and its frames are dropped.
    case unsubscribed(WorkerID)
    /// A snapshot is wanted, as soon as every host passes through one version.
    case captureRequested
    /// The hub wants this version copied.
    case capture(version: Step)
    /// These workers host the shards of the timeline from now on.
    case place(ShardMap, timeline: Timeline, generation: Generation)
    /// Go on with the probe of the present version.
    case probe(ProbeShardOrder, timeline: Timeline)
    /// Put a snapshot in place as the start of a timeline.
    case restore(version: Step, timeline: Timeline, state: OptimizerState)
    /// What a host of the coordinator's has told the hub of a timeline.
    case reported(ShardReport, from: WorkerID, timeline: Timeline)

    /// Whether the coordinator tells it to all its hosts; the rest is for the hub, which passes on what the others need of it.
    var isForEveryHost: Bool {
        switch self {
        case .applyAllowed, .admitted, .unsubscribed: true
        case .captureRequested, .capture, .place, .probe, .restore, .reported: false
        }
    }
}

/// What a host of the coordinator's tells the hub, which may be itself; what workers that host shards say in frames.
enum ShardReport: Sendable {
    /// A snapshot is in place as the start of the timeline.
    case restored
    /// All its chunks have reached `version`.
    case applied(version: Step)
    /// The squared norms of its chunks' segments, in the plan's order; none where the step needs none.
    case norms(step: Step, [Double])
    /// A chunk of a version, copied section by section.
    case captured(ChunkIndex, version: Step, CaptureOccasion, [AlignedVector])
    /// A chunk has gone beyond the version asked for.
    case captureMissed(target: Step, foremost: Step)
}

/// What a shard host tells the coordinator.
enum ShardNews: Sendable {
    /// Every parameter chunk is rooted at `step`; the squared norms of all segments, in the plan's order.
    case reduced(step: Step, squaredNorms: [Double])
    /// Squared norms of a step that was not held back for them.
    case norms(step: Step, squaredNorms: [Double])
    /// The reduced scalars, and how many microbatches of each worker counted.
    case statistics(step: Step, values: [Double], contributions: [WorkerID: Int])
    case applied(version: Step)
    /// What an order of a probe came to.
    case probed(ProbeShardReply, timeline: Timeline)
    case captured(Capture)
    /// Every host holds its chunks of the timeline's first version.
    case placed(generation: Generation)
    /// What a host must have sent has not come: it was lost with a connection.
    case hostFailed(WorkerID, reason: String)
    /// What `restore` asked for is done.
    case restored(version: Step, timeline: Timeline)
    /// `count` frames were dropped so far.
    case frameRejected(WorkerID, reason: String, count: Int)
    case unreachable(WorkerID, reason: String)
}
