import ParameterServer
import Training
import Transport
import WireProtocol

/// With whom a worker exchanges what: the members, the hosts of shards, and the connections to them. Belongs to the data loop's thread.
struct Exchange {
    private let plan: TrainingPlan
    private let identity: WorkerID
    /// Where the coordinator's hosts listen.
    private let coordinators: [WorkerID: Endpoint]
    private let sharesMemory: Bool
    private var members: Set<WorkerID> = []
    /// Whose memory this process has open, and who has its.
    private(set) var memories: [WorkerID: PeerMemory] = [:]
    private var readers: Set<WorkerID> = []
    private let layout: ExchangeLayout
    /// Attachments of those who are not known as members yet.
    private var postponed: [WorkerID: FrameHeader] = [:]
    private static let postponedMax = 1024
    /// Where chunks live, and on which timeline, by the membership of which generation.
    private(set) var map: ShardMap
    private(set) var timeline: Timeline?
    private(set) var generation = Generation(rawValue: 0)

    /// `coordinators` are the endpoints of the plan's `coordinators`, in order; `memory` is that of all of them, and is opened only if
    /// `sharesMemory`.
    init(plan: TrainingPlan, identity: WorkerID, coordinators: [Endpoint], memory: String, sharesMemory: Bool) {
        precondition(coordinators.count == plan.coordinators.count, "every host of the coordinator's listens somewhere")
        (self.plan, self.identity, self.sharesMemory) = (plan, identity, sharesMemory)
        self.coordinators = Dictionary(uniqueKeysWithValues: zip(plan.coordinators, coordinators))
        layout = ExchangeLayout(plan)
        map = plan.coordinatorMap ?? ShardMap(plan.chunks, hosts: [.coordinator])
        if sharesMemory, let memory = PeerMemory(opening: memory, layout) {
            for host in plan.coordinators { memories[host] = memory }
        }
    }

    func start(_ port: inout LoopPort) throws {
        for (host, endpoint) in coordinators.sorted(by: { $0.key < $1.key }) { try port.await(host, at: endpoint) }
    }

    func isMember(_ peer: WorkerID) -> Bool { members.contains(peer) || coordinators[peer] != nil }

    /// Takes note of what a frame says of its sender's view.
    mutating func note(_ header: FrameHeader, from peer: WorkerID) {
        if header.flags.contains(.reads) { readers.insert(peer) }
    }

    /// Whether `peer` reads this process's memory.
    func isReader(_ peer: WorkerID) -> Bool { readers.contains(peer) }

    /// What every frame tells `peer` besides.
    func flags(to peer: WorkerID) -> FrameHeader.Flags { memories[peer] == nil ? [] : .reads }

    func host(of chunk: ChunkIndex) -> WorkerID { map.host(of: chunk) }

    /// Everybody who hosts something.
    var everybody: [WorkerID] { map.everybody }

    /// Keeps an attachment that has overtaken the news of its sender's admission.
    mutating func postpone(_ header: FrameHeader, from peer: WorkerID) {
        if postponed.count < Self.postponedMax { postponed[peer] = header }
    }

    /// The attachments that have been waiting for their senders' admission.
    mutating func takePostponed() -> [(peer: WorkerID, header: FrameHeader)] {
        let due = postponed.keys.filter { members.contains($0) }.sorted()
        return due.compactMap { peer in postponed.removeValue(forKey: peer).map { (peer, $0) } }
    }

    /// Members of whom `peers` says nothing any more.
    func gone(_ peers: ControlMessage.Peers) -> [WorkerID] { members.subtracting(peers.members.map(\.id)).sorted() }

    /// Takes in who the members are and where shards live; returns what is wrong with it, in sentences.
    ///
    /// A connection is kept for as long as both ends are members: it serves in either direction, whoever made it. Of two hosts the one
    /// with the smaller number connects; a worker that hosts nothing connects to the hosts.
    mutating func take(_ peers: ControlMessage.Peers, _ port: inout LoopPort) -> [String] {
        for gone in gone(peers) {
            port.forget(gone)
            memories[gone] = nil
            readers.remove(gone)
        }
        members = Set(peers.members.map(\.id)).subtracting([identity])
        if peers.hosts.isEmpty { return [] }
        if peers.generation != generation || peers.timeline != timeline {
            map = ShardMap(plan.chunks, hosts: peers.hosts)
            (timeline, generation) = (peers.timeline, peers.generation)
        }
        var complaints: [String] = []
        let isHost = map.hosts.contains(identity)
        for member in peers.members where member.id != identity {
            let theyAre = map.hosts.contains(member.id)
            guard isHost || theyAre else { continue }
            if sharesMemory && memories[member.id] == nil { memories[member.id] = PeerMemory(opening: member.memory, layout) }
            let connects = theyAre && (!isHost || identity < member.id)
            do { try port.await(member.id, at: connects ? try Endpoint(parsing: member.endpoint) : nil) } catch {
                complaints.append("cannot connect to \(member.id) at '\(member.endpoint)': \(error)")
            }
        }
        return complaints
    }
}
