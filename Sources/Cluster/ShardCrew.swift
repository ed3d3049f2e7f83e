import LinearAlgebra
import ParameterServer
import ShardKernels
import Training
import Transport

/// The threads that host the coordinator's shards, each a peer of the exchange with a data socket, and an I/O thread of libzmq, of its own.
///
/// The first is the hub, `.coordinator`: it hosts the step's scalars besides, and what is of the whole version comes together there. All
/// write their chunks in one memory, which neighbours open once.
final class ShardCrew: Sendable {
    private let loops: [SocketLoop<ShardHost>]
    /// Of the hosts beyond the hub, which shares the coordinator's.
    private let contexts: [TransportContext]

    /// Where the hosts listen, in order.
    var endpoints: [Endpoint] { loops.map(\.boundEndpoint) }

    /// Opens the sockets at `host` and begins with the tenure's version; they listen at `port` and the ports that follow, or wherever the
    /// system chooses if it is 0. Blocking, for as long as the system takes to open a socket.
    ///
    /// - Parameter tell: called on the hosts' threads.
    /// - Throws: `TransportError` when a socket cannot be opened; `ClusterError` when there are fewer ports than hosts.
    init(
        plan: TrainingPlan, tenure: RunTenure, memory: ExchangeMemory, context: TransportContext, host: String, port: UInt16,
        tell: @escaping @Sendable (ShardNews) -> Void
    ) throws {
        let hosts = plan.coordinators
        guard port == 0 || Int(port) + hosts.count - 1 <= Int(UInt16.max) else {
            throw ClusterError.unusable(
                "\(hosts.count) shard threads take the ports from \(port) on, and there are fewer; pass a lower --data-port")
        }
        // Made nothing of yet: each host works on a copy, in this memory.
        let store = plan.coordinatorMap.map { _ in ShardStore(sharing: memory, plan) }
        let colleagues = Outlet<(WorkerID, ShardPost)>()
        var (loops, contexts): ([SocketLoop<ShardHost>], [TransportContext]) = ([], [])
        do {
            for (index, identity) in hosts.enumerated() {
                if index > 0 { contexts.append(try TransportContext()) }
                let endpoint = try Endpoint(host: host, port: port == 0 ? 0 : port + UInt16(index))
                loops.append(
                    try SocketLoop(
                        name: index == 0 ? "plumb-shard" : "plumb-shard-\(index + 1)", context: contexts.last ?? context,
                        role: .peer(bind: endpoint, identity: identity), limits: plan.dataLimits
                    ) {
                        ShardHost(
                            plan: plan, identity: identity, memory: memory, store: store, version: tenure.version,
                            timeline: tenure.timeline, state: tenure.state, pass: { colleagues.send(($0, $1)) }, tell: tell)
                    })
            }
        } catch {
            Self.end(loops, contexts)
            throw error
        }
        (self.loops, self.contexts) = (loops, contexts)
        let posts = Dictionary(uniqueKeysWithValues: zip(hosts, loops))
        colleagues.connect { host, post in try? posts[host]?.post(post) }
    }

    /// Hands over what the coordinator orders: to every host what concerns all, to the hub what it sees to.
    func post(_ post: ShardPost) {
        for loop in post.isForEveryHost ? loops[...] : loops[..<1] { try? loop.post(post) }
    }

    /// Asks all hosts to end.
    func stop() { for loop in loops { loop.stop() } }

    /// Waits until all have ended, some seconds at most.
    func join() { Self.end(loops, contexts) }

    private static func end(_ loops: [SocketLoop<ShardHost>], _ contexts: [TransportContext]) {
        for loop in loops { loop.stop() }
        for loop in loops { try? loop.join(deadline: .seconds(10)) }
        for context in contexts { try? context.close(deadline: .seconds(10)) }
    }
}

extension ShardStore {
    /// A store whose versions lie in `memory`; nothing is installed.
    init(sharing memory: ExchangeMemory, _ plan: TrainingPlan) {
        self.init(plan: plan.chunks, update: plan.update, versions: memory.versions)
    }
}
