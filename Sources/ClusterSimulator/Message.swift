import ParameterServer
import ShardKernels
import Training

/// What travels between processes.
enum Message {
    case hello, ready, leaving
    /// What the worker knows: of its assignment, and of the others.
    case heartbeat(WorkerReport, peers: Peers.Edition?)
    case synchronized
    case welcome, rejoin
    case peers(Peers)
    case assignment(Assignment)

    case subscribe(fromVersion: Step, Timeline)
    case request(version: Step, ChunkIndex)
    case push(PushName, [Float])
    case statistics(PushName, [Double])
    case parameters(ChunkIndex, Step, Timeline, [Float])

    case probeSubscribe(fromRound: Step, Timeline)
    case probeRequest(round: Step, ChunkIndex)
    /// A chunk of a probe's product, or its scalars, as bytes.
    case probePush(PushName, [UInt8])
    /// A chunk of a probe's vector, or its task, as bytes.
    case probe(ChunkIndex, Step, Timeline, [UInt8])

    /// From a host of shards to the coordinator's, or back.
    case host(HostReport, Timeline)
    case hub(HubOrder, Timeline)

    /// Whether it goes over the data socket, whose order is its own.
    var isData: Bool {
        switch self {
        case .hello, .ready, .leaving, .heartbeat, .synchronized, .welcome, .rejoin, .peers, .assignment: false
        case .subscribe, .request, .push, .statistics, .parameters, .probeSubscribe, .probeRequest, .probePush, .probe, .host, .hub:
            true
        }
    }
}

/// Who takes part, and where shards live on a timeline.
struct Peers {
    /// Which peers are known: the membership's number grows with every change of it.
    struct Edition: Hashable {
        var timeline: Timeline
        var generation: Generation
    }

    var edition: Edition
    var members: [WorkerID]
    /// In the order in which chunks are dealt to them.
    var hosts: [WorkerID]
}

/// What a host of shards tells the hub, the coordinator's first.
enum HostReport {
    /// A thread of the coordinator's: a snapshot is in place as the start of the timeline.
    case restored
    /// It misses these chunks of the timeline's first version.
    case missing([ChunkIndex])
    case applied(version: Step)
    case reduced(step: Step, squaredNorms: [Double])
    /// A chunk that it has copied: parameters, and moments if the copy is complete.
    case captured(CaptureName, sections: [[Float]])
    case captureMissed(target: Step, foremost: Step)
}

/// What the hub tells a worker that hosts shards.
enum HubOrder {
    /// The timeline's first version of a chunk; of the state, that chunk is read.
    case install(ChunkIndex, version: Step, OptimizerState)
    case allowApply(step: Step, clipScale: Double)
    case capture(target: Step)
}

/// A chunk that was copied.
struct CaptureName: Hashable {
    var chunk: ChunkIndex
    var version: Step
    var occasion: CaptureOccasion
}

/// A message on its way from one life to another; -1 is the coordinator's place, whichever of its threads is meant.
struct Envelope {
    var from: Int
    var sender: WorkerID
    var to: Int
    var recipient: WorkerID
    var message: Message
}

/// What threads of the coordinator's process tell each other.
enum LocalPost {
    /// To the hub.
    case toShard(ShardMachine.Event, clipScale: Double)
    case snapshotRequested
    case restoreShard(version: Step, Timeline, OptimizerState)
    /// To another host, from the control thread or the hub.
    case toHost(Int, ShardMachine.Event, clipScale: Double, isFromHub: Bool)
    case restoreHost(Int, version: Step, Timeline, OptimizerState)
    /// From another host to the hub.
    case report(Int, HostReport, Timeline)
    case place(ShardMap, Timeline, Generation)
    case placed(Generation)
    case reduced(step: Step, squaredNorms: [Double])
    case statistics(step: Step, [Double])
    case applied(version: Step)
    case toProbe(ProbeShardOrder, Timeline)
    case probed(ProbeShardReply, Timeline)
    case restored(version: Step, Timeline)
    case captured(Capture)
    case unreachable(WorkerID)
    case record(Capture)
    case rollBack
    case snapshotEnded(version: Step?)

    /// The queue that it goes through: from whom to whom.
    var lane: Int {
        switch self {
        case .toShard, .snapshotRequested, .toProbe, .place: 0
        case .reduced, .statistics, .applied, .placed, .probed, .restored, .captured, .unreachable: 1
        case .record, .rollBack: 2
        case .restoreShard: 3
        case .snapshotEnded: 4
        case .toHost(let place, _, _, isFromHub: false): 4 - 3 * place
        case .toHost(let place, _, _, isFromHub: true), .restoreHost(let place, _, _, _): 5 - 3 * place
        case .report(let place, _, _): 6 - 3 * place
        }
    }
}
