import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import StructuredLayers
import Training
import Transport
import WireProtocol

/// What other threads tell a worker's data loop.
enum WorkerPost: Sendable {
    case assigned(Assignment)
    case peers(ControlMessage.Peers)
    /// The gradient is final in these chunks, the last of which was ready first; it is written again once nobody holds it any more.
    case chunksComputed(order: UInt64, step: Step, node: TreeNode, chunks: Range<UInt32>, gradient: FloatMemory)
    /// `busy` is what lanes took for it in all.
    case computed(order: UInt64, step: Step, node: TreeNode, scalars: NodeScalars, busy: Duration)
    case probed(NodeProduct)
}

/// How far a worker has come, for its heartbeats; written by the data loop, read by the control loop.
struct WorkerProgress: Sendable {
    /// The whole version held, if any.
    var step: Step?
    var timeline = Timeline(rawValue: 0)
    var generation = Generation(rawValue: 0)
    var microbatches = 0
}

/// What a worker's data loop hands to its surroundings.
struct WorkerOutlets: Sendable {
    var lane: @Sendable (LaneWork) -> Void
    var progressed: @Sendable (WorkerProgress) -> Void
    var timed: @Sendable (Timeline, ControlMessage.StepTimes.Entry) -> Void
    var synchronized: @Sendable (Step) -> Void
    /// Something was dropped, or not sent; and how often so far.
    var rejected: @Sendable (String, Int) -> Void
}

/// The data socket's thread of a worker, which owns the worker's machine, its two parameter versions and the shard that it may host.
struct WorkerData: SocketHandler {
    let plan: TrainingPlan
    let identity: WorkerID
    let outlets: WorkerOutlets
    let failpoint: Failpoint?
    var machine: WorkerMachine
    /// The version in use, which lanes read, and the one that arrives; and the outboxes.
    let memory: ExchangeMemory
    var versions: ParameterVersions { memory.versions }
    /// By node that is pushed in the present step, its outbox.
    var nodeOutboxes: [TreeNode: Int] = [:]
    var exchange: Exchange
    var shard: WorkerShard?
    /// Chunks that the shard here has made, for the worker's machine to take note of.
    var arrived: [(chunk: ChunkIndex, version: Step)] = []
    var probe: ProbeFollower
    let probeFrames: [ChunkIndex]
    private let captures: CaptureSchedule
    var finishedProbes: [TreeNode: NodeProduct] = [:]
    var probeDirectives: [ProbeFollower.Directive] = []
    private var progress = WorkerProgress()
    var clock: StepClock
    private var rejections = 0
    private var directives: [WorkerMachine.Directive] = []
    private var orders = LaneOrders()
    var batch = FrameBatch()
    var waitingSince = MonotonicClock.now()

    /// Vectors from this length on are out of the caches before a lane reads what has just arrived: 32 MiB. Written past them they cost
    /// half as much.
    private static let elementsBeyondCaches = 8 << 20

    /// How long the next version may stay incomplete before the worker asks for what it misses.
    private static let patience: Duration = .seconds(5)

    init(
        plan: TrainingPlan, identity: WorkerID, exchange: Exchange, memory: ExchangeMemory, outlets: WorkerOutlets,
        startsAhead: Bool = true, failpoint: Failpoint? = nil
    ) {
        (self.failpoint, self.plan, self.identity, self.outlets) = (failpoint, plan, identity, outlets)
        (self.exchange, self.memory) = (exchange, memory)
        machine = WorkerMachine(
            tree: plan.tree, frameCount: plan.chunks.frameCount, steps: plan.experiment.training.steps, startsAhead: startsAhead)
        clock = StepClock(lanes: plan.experiment.cluster.threads)
        probe = ProbeFollower(plan: plan)
        (probeFrames, captures) = (plan.probeFrames, plan.captures)
    }

    mutating func started(port: inout LoopPort) {
        do { try exchange.start(&port) } catch { reject("\(error)") }
    }

    mutating func ticked(at now: Instant, port: inout LoopPort) {
        guard now - waitingSince > Self.patience else { return }
        waitingSince = now
        // A version that does not come may stand still for a probe of which nothing has arrived.
        probe.waitedTooLong(into: &probeDirectives)
        carryOutProbe(port: &port)
        handle(.waitedTooLong, port: &port)
        remindShard(port: &port)
    }

    mutating func posted(_ post: WorkerPost, port: inout LoopPort) {
        switch post {
        case .assigned(let assignment):
            // It is said again, and where the shards of its timeline live before it.
            if plan.experiment.training.placement == .workers && exchange.timeline != assignment.timeline { return }
            handle(.assigned(assignment), port: &port)
            probe.assign(assignment, into: &probeDirectives)
            probe.hold(machine.version, into: &probeDirectives)
            carryOutProbe(port: &port)
            reportProgress()
        case .peers(let peers):
            for gone in exchange.gone(peers) {
                shard?.handle(.unsubscribed(gone))
                batch.forget(gone)
            }
            for complaint in exchange.take(peers, &port) { reject(complaint) }
            placeShard(port: &port)
        case .probed(let result):
            waitingSince = MonotonicClock.now()
            finishedProbes[result.node] = result
            probe.computed(round: result.round, node: result.node, into: &probeDirectives)
            carryOutProbe(port: &port)
        case .chunksComputed(let order, let step, let node, let chunks, let gradient):
            guard orders.told(order, step, node, gradient: gradient) else { return }
            for chunk in chunks.reversed() {
                handle(.chunkComputed(step: step, node: node, chunk: ChunkIndex(rawValue: chunk)), port: &port)
            }
        case .computed(let order, let step, let node, let scalars, let busy):
            guard orders.told(order, step, node, scalars: scalars) else { return }
            clock.computed(step: step, busy, at: MonotonicClock.now())
            progress.microbatches += node.count
            handle(.computed(step: step, node: node), port: &port)
            reportProgress()
        }
        settle(port: &port)
    }

    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
        guard let peer = message.peer else { return }
        do {
            var frames = try ReceivedFrames(message)
            while let header = try frames.next() {
                do { try take(header, of: message, from: peer, port: &port) } catch { reject("\(error)") }
                settle(port: &port)
            }
        } catch { reject("\(error)") }
    }

    mutating func settled(port: inout LoopPort) { flush(port: &port) }

    private mutating func take(_ header: FrameHeader, of message: ReceivedMessage, from peer: WorkerID, port: inout LoopPort) throws
    {
        try header.checkPayload(byteCount: message.partCount > 1 ? message.byteCount(ofPart: 1) : 0)
        guard header.sender == peer else { throw RejectedFrame.forged(sender: header.sender) }
        guard exchange.isMember(peer) else {
            // It may have overtaken the news of its sender's admission.
            if header.kind == .attach { return exchange.postpone(header, from: peer) }
            throw RejectedFrame.stranger
        }
        exchange.note(header, from: peer)
        try take(header, message, from: peer, port: &port)
    }

    private mutating func take(_ header: FrameHeader, _ message: ReceivedMessage, from peer: WorkerID, port: inout LoopPort) throws
    {
        if header.flags.contains(.probe) { return try takeProbe(header, message, port: &port) }
        switch header.kind {
        case .parameters:
            try checkShape(header)
            try store(header, message, from: peer, port: &port)
        case .push, .attach, .parameterRequest, .snapshot, .apply, .captureRequest:
            try takeForShard(header, message, from: peer, port: &port)
        case .statistics, .resendRequest, .shardRequest, .applied, .norms, .captureMissed:
            throw RejectedFrame.misdirected(header.kind)
        }
    }

    /// Said each time the count has doubled: whoever sends garbage must not fill the log, nor hold this thread up with it.
    mutating func reject(_ reason: String) {
        rejections += 1
        if rejections.nonzeroBitCount == 1 { outlets.rejected(reason, rejections) }
    }

    func reportProgress() {
        var progress = progress
        progress.step = machine.version
        progress.timeline = machine.currentTimeline ?? Timeline(rawValue: 0)
        progress.generation = machine.currentGeneration ?? Generation(rawValue: 0)
        outlets.progressed(progress)
    }

    private func checkShape(_ header: FrameHeader) throws {
        let index = Int(header.chunk.rawValue)
        guard index < plan.chunks.frameCount else { throw RejectedFrame.unknownChunk(header.chunk.rawValue) }
        let count = header.chunk == plan.chunks.statistics ? 0 : plan.chunks.chunks[index].range.count
        guard header.encoding == .f32, header.count == count else {
            throw RejectedFrame.shape(count: header.count, expected: count)
        }
    }

    /// What is not awaited is not read: its place may hold a later version.
    private mutating func store(
        _ header: FrameHeader, _ message: ReceivedMessage, from peer: WorkerID, port: inout LoopPort
    ) throws {
        let (chunk, version, timeline) = (header.chunk, header.step, header.timeline)
        // The host of an ended timeline may wake late, and its chunk live here by now.
        guard peer == exchange.host(of: chunk) else { throw RejectedFrame.misdirected(header.kind) }
        guard machine.awaits(chunk, version: version, timeline: timeline) else {
            return handle(.parametersArrived(chunk: chunk, version: version, timeline: timeline), port: &port)
        }
        if chunk != plan.chunks.statistics {
            let target = versions[version]
            if header.flags.contains(.shared) {
                // It falls behind, and is told of a later version.
                guard exchange.memories[peer]?.copy(chunk, version, timeline, to: target) == true else { return }
            } else {
                try message.withPart(1) { payload in
                    var part = target.mutableFloats(plan.chunks.chunks[Int(chunk.rawValue)].range)
                    let checksum = VectorKernels.copyChecked(
                        bytes: payload, into: &part, pastCaches: target.count >= Self.elementsBeyondCaches)
                    StreamingStores.finish()
                    guard checksum == header.payloadChecksum else {
                        throw RejectedFrame.checksum(header.kind)
                    }
                }
            }
        }
        handle(.parametersArrived(chunk: chunk, version: version, timeline: timeline), port: &port)
    }

    private mutating func handle(_ event: WorkerMachine.Event, port: inout LoopPort) {
        machine.handle(event, into: &directives)
        for directive in directives { carryOut(directive, port: &port) }
        directives.removeAll(keepingCapacity: true)
    }

    private mutating func carryOut(_ directive: WorkerMachine.Directive, port: inout LoopPort) {
        switch directive {
        case .store(let chunk, let version):
            waitingSince = MonotonicClock.now()
            if machine.incomingVersion == version { orders.arrived(machine.arrivedPrefix, of: version) }
            if Int(chunk.rawValue) == plan.chunks.chunks.count / 2 { failpoint?.reach(.receive, version) }
        case .drop: break
        case .release(let step, let node): orders.release(step, node)
        case .abandon(let step): orders.abandon(step)
        case .subscribe(let version, let timeline):
            batch.begin(timeline)
            for host in exchange.everybody { send(.attach, timeline, version, to: host, port: &port) }
            clock = StepClock(lanes: plan.experiment.cluster.threads)
            orders.endArrival()
            nodeOutboxes = [:]
        case .reportSynchronized(let version): outlets.synchronized(version)
        case .advance(let version):
            if captures.capture(at: version) == .complete { failpoint?.reach(.snapshot, version) }
            nodeOutboxes.removeAll(keepingCapacity: true)
            orders.advanced()
            if let time = clock.advanced(to: version, at: MonotonicClock.now()), let timeline = machine.currentTimeline {
                outlets.timed(timeline, time)
            }
            probe.hold(version, into: &probeDirectives)
            carryOutProbe(port: &port)
            reportProgress()
        case .compute(let step, let node):
            let (order, gate) = orders.add(
                step, node, arriving: step == machine.incomingVersion ? machine.arrivedPrefix : nil)
            outlets.lane(
                LaneWork(
                    order: order, timeline: machine.currentTimeline ?? Timeline(rawValue: 0), step: step, node: node,
                    parameters: versions[step], gate: gate))
            failpoint?.reach(.compute, step)
        case .push(let step, let node, let chunk, let timeline):
            guard let gradient = orders.result(step, node)?.gradient else { return }
            push(PushName(timeline: timeline, step: step, chunk: chunk, node: node), gradient, port: &port)
            if Int(chunk.rawValue) == plan.chunks.chunks.count / 2 { failpoint?.reach(.push, step) }
        case .pushScalars(let step, let node, let timeline):
            let scalars = orders.result(step, node)?.scalars?.values ?? []
            pushScalars(scalars, of: node, at: step, to: plan.chunks.statistics, timeline, port: &port)
        case .requestParameters(let version, let chunks):
            guard let timeline = machine.currentTimeline else { return }
            for chunk in chunks { send(.parameterRequest, timeline, version, chunk, to: exchange.host(of: chunk), port: &port) }
        }
    }

    /// Takes note of what the shard here has made, which may make it do more.
    mutating func settle(port: inout LoopPort) {
        carryOutShard(port: &port)
        while let (chunk, version) = arrived.popLast() {
            guard let timeline = shard?.timeline else { return arrived.removeAll() }
            handle(.parametersArrived(chunk: chunk, version: version, timeline: timeline), port: &port)
            carryOutShard(port: &port)
        }
    }
}
