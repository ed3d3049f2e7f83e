import ParameterServer
import ShardKernels
import Training

/// What travels between the coordinator's process and a worker's.
enum Message {
    case hello, ready, leaving
    case heartbeat(WorkerReport)
    case synchronized
    case subscribe(fromVersion: Step, Timeline)
    case request(version: Step, ChunkIndex)
    case push(PushName, [Float])
    case statistics(PushName, [Double])
    case welcome, rejoin, stop
    case assignment(Assignment)
    case parameters(ChunkIndex, Step, Timeline, [Float])
    case probeSubscribe(fromRound: Step, Timeline)
    case probeRequest(round: Step, ChunkIndex)
    /// A chunk of a probe's product, or its scalars, as bytes.
    case probePush(PushName, [UInt8])
    /// A chunk of a probe's vector, or its task, as bytes.
    case probe(ChunkIndex, Step, Timeline, [UInt8])

    /// Whether it goes over the data socket, whose order is its own.
    var isData: Bool {
        switch self {
        case .subscribe, .request, .push, .statistics, .parameters, .probeSubscribe, .probeRequest, .probePush, .probe: true
        default: false
        }
    }
}

/// A message on its way to a worker's life, or from one to the coordinator.
struct Envelope {
    var slot: Int
    var life: WorkerID
    var toCoordinator: Bool
    var message: Message
}

/// What threads of the coordinator's process tell each other.
enum LocalPost {
    case toShard(ShardMachine.Event, clipScale: Double)
    case restoreShard(version: Step, Timeline, OptimizerState)
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
        case .toShard, .toProbe: 0
        case .reduced, .statistics, .applied, .probed, .restored, .captured, .unreachable: 1
        case .record, .rollBack: 2
        case .restoreShard: 3
        case .snapshotEnded: 4
        }
    }
}
