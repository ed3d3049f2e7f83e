import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import Synchronization
import Training
import Transport

/// Push and pull alone: a coordinator's shard host and one worker's data loop on this machine, over tcp, with nothing computed.
///
/// Both are the very shells of a training run (`ShardHost`, `WorkerData`) on sockets of their own contexts with one I/O thread each, and
/// payloads travel in frames. What is left out is no part of an exchange: lanes (an `EmulatedLane` answers with a constant gradient), the
/// control sockets, the record. In a run whose steps wait for no decision these only listen: the shard host sends version `t + 1` of a
/// chunk when its gradient of step `t` has arrived, and the worker begins a step when it holds all chunks: not
/// ahead, since nothing would be computed meanwhile. The step's two scalars, and the
/// empty frame that answers them, are exchanged as in any step.
public final class PushPullExchange: Sendable {
    private let contexts: [TransportContext]
    private let shard: SocketLoop<ShardHost>
    private let worker: SocketLoop<WorkerData>
    private let lane: EmulatedLane
    /// The first complaint of either side.
    private let complaint = Mutex<String?>(nil)
    /// Bytes of all parameters, which a step pushes and pulls.
    public let parameterBytes: Int
    /// Frames of parameters that a step pushes.
    public let chunkCount: Int

    private static let identity = WorkerID(rawValue: WorkerID.lives.lowerBound)
    private static let timeline = Timeline(rawValue: 1)

    /// Connects both sides and waits, at most for `deadline`, until the worker holds the first version. Blocking.
    ///
    /// `plan`: placement `coordinator` with one shard thread, one partition, no step that waits for a decision (no clipping, `onNonFinite: continue`).
    /// - Throws: `TransportError` when a socket cannot be opened; `ClusterError` when the first version has not come in time.
    public init(plan: TrainingPlan, deadline: Duration = .seconds(60)) throws {
        precondition(plan.coordinatorMap?.hosts == [.coordinator] && plan.tree.partitions == 1, "one server, one worker")
        precondition(!plan.experiment.training.twoPhase && plan.probes.every == 0, "nobody is there to decide")
        parameterBytes = 4 * plan.chunks.chunks.reduce(0) { $0 + $1.range.count }
        chunkCount = plan.chunks.chunks.count
        contexts = [try TransportContext(), try TransportContext()]
        let complain = Outlet<String>()
        shard = try Self.shard(plan, contexts[0]) { complain.send($0) }
        let orders = Outlet<LaneWork>()
        worker = try Self.worker(plan, contexts[1], shard.boundEndpoint, orders) { complain.send($0) }
        lane = EmulatedLane(plan: plan) { [worker] post in
            do { try worker.post(post) } catch { complain.send("\(error)") }
        }
        orders.connect { [lane] in lane.compute($0) }
        complain.connect { [weak self] sentence in self?.complaint.withLock { $0 = $0 ?? sentence } }
        try shard.post(.admitted(Self.identity, memory: ""))
        let generation = Generation(rawValue: 1)
        try worker.post(
            .assigned(Assignment(timeline: Self.timeline, generation: generation, fromStep: 0, partitions: [0])))
        _ = try awaitIdle(deadline, "the first version")
    }

    private static func shard(
        _ plan: TrainingPlan, _ context: TransportContext, _ complain: @escaping @Sendable (String) -> Void
    ) throws -> SocketLoop<ShardHost> {
        try SocketLoop(
            name: "plumb-shard", context: context, role: .peer(bind: .loopback(), identity: .coordinator), limits: plan.dataLimits
        ) {
            let memory = ExchangeMemory(plan, isShared: false)
            return ShardHost(
                plan: plan, memory: memory, store: ShardStore(sharing: memory, plan), version: 0, timeline: timeline,
                state: plan.initialState()
            ) { news in
                switch news {
                case .frameRejected(let worker, let reason, _), .unreachable(let worker, let reason):
                    complain("\(worker): \(reason)")
                default: break
                }
            }
        }
    }

    private static func worker(
        _ plan: TrainingPlan, _ context: TransportContext, _ server: Endpoint, _ orders: Outlet<LaneWork>,
        _ complain: @escaping @Sendable (String) -> Void
    ) throws -> SocketLoop<WorkerData> {
        let outlets = WorkerOutlets(
            lane: { orders.send($0) }, progressed: { _ in }, timed: { _, _ in }, synchronized: { _ in },
            rejected: { reason, _ in complain(reason) })
        let exchange = Exchange(plan: plan, identity: identity, coordinators: [server], memory: "", sharesMemory: false)
        return try SocketLoop(
            name: "plumb-data", context: context, role: .peer(bind: nil, identity: identity), limits: plan.dataLimits
        ) {
            WorkerData(
                plan: plan, identity: identity, exchange: exchange, memory: ExchangeMemory(plan, isShared: false), outlets: outlets,
                startsAhead: false)
        }
    }

    /// Pushes all gradients and pulls all parameters `steps` times. Blocking; one thread at a time.
    ///
    /// - Returns: the time from the first push to the last version's arrival.
    /// - Throws: `ClusterError` when it takes longer than `limit`, or a frame was lost.
    public func run(steps: Int, within limit: Duration) throws -> Duration {
        let start = ContinuousClock.now
        lane.allow(steps: steps)
        return try awaitIdle(limit, "\(steps) steps of push and pull") - start
    }

    private func awaitIdle(_ limit: Duration, _ awaited: String) throws -> ContinuousClock.Instant {
        let end = lane.waitUntilIdle(within: limit)
        if let complaint = complaint.withLock({ $0 }) { throw ClusterError.unusable("the exchange lost a frame: \(complaint)") }
        guard let end else {
            throw ClusterError.unusable(
                "\(awaited) took longer than \(limit); measure with less at a time, or on a machine less busy")
        }
        return end
    }

    /// Ends both loops and closes their sockets. Blocking, for some seconds at most; must be called once.
    public func stop() throws {
        worker.stop()
        shard.stop()
        try worker.join(deadline: .seconds(10))
        try shard.join(deadline: .seconds(10))
        for context in contexts { try context.close(deadline: .seconds(10)) }
    }
}
