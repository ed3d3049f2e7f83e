import ExperimentFile
import LinearAlgebra
import ParameterServer
import StructuredLayers
import Training
import Transport
import WireProtocol

/// What other threads tell a worker's data loop.
enum WorkerPost: Sendable {
    case assigned(Assignment)
    case computed(NodeGradient)
}

/// The gradient of one node, as a lane hands it over.
struct NodeGradient: Sendable {
    /// The step, or the round of a probe.
    var step: Step
    var node: TreeNode
    var gradient: AlignedVector
    var scalars: [Double]
    var isProbe = false
}

/// What a lane is asked to do.
struct LaneWork: Sendable {
    var step: Step
    var node: TreeNode
    var parameters: AlignedVector
    /// What to evaluate instead of the gradient.
    var probe: ProbeOrder?
}

/// How far a worker has come, for its heartbeats; written by the data loop, read by the control loop.
struct WorkerProgress: Sendable {
    /// The whole version held, if any.
    var step: Step?
    var timeline = Timeline(rawValue: 0)
    var generation = Generation(rawValue: 0)
    var microbatches = 0
}

/// The data socket's thread of a worker, which owns the worker's machine and its two parameter versions.
struct WorkerData: SocketHandler {
    private let plan: TrainingPlan
    private let identity: WorkerID
    private let lane: @Sendable (LaneWork) -> Void
    private let recycle: @Sendable (AlignedVector) -> Void
    private let progressed: @Sendable (WorkerProgress) -> Void
    private let rejected: @Sendable (String) -> Void
    private let synchronized: @Sendable (Step) -> Void
    private var machine: WorkerMachine
    /// Version `machine.version`, read by lanes.
    private var current: AlignedVector
    /// The version that is arriving.
    private var incoming: AlignedVector
    private var finished: [TreeNode: NodeGradient] = [:]
    private var probe: ProbeFollower
    private let probeFrames: [ChunkIndex]
    private var finishedProbes: [TreeNode: NodeGradient] = [:]
    private var probeDirectives: [ProbeFollower.Directive] = []
    private var progress = WorkerProgress()
    private var directives: [WorkerMachine.Directive] = []
    private var header: [UInt8] = []
    private var waitingSince = MonotonicClock.now()
    private let failpoint: Failpoint?

    /// How long the next version may stay incomplete before the worker asks for what it misses.
    private static let patience: Duration = .seconds(5)

    init(
        plan: TrainingPlan, identity: WorkerID, lane: @escaping @Sendable (LaneWork) -> Void,
        recycle: @escaping @Sendable (AlignedVector) -> Void, progressed: @escaping @Sendable (WorkerProgress) -> Void,
        synchronized: @escaping @Sendable (Step) -> Void, rejected: @escaping @Sendable (String) -> Void,
        failpoint: Failpoint? = nil
    ) {
        self.failpoint = failpoint
        self.plan = plan
        self.identity = identity
        self.lane = lane
        self.recycle = recycle
        self.progressed = progressed
        self.rejected = rejected
        self.synchronized = synchronized
        machine = WorkerMachine(tree: plan.tree, frameCount: plan.chunks.frameCount, steps: plan.experiment.training.steps)
        probe = ProbeFollower(plan: plan)
        probeFrames = plan.probeFrames
        current = AlignedVector(count: plan.network.layout.count)
        incoming = AlignedVector(count: plan.network.layout.count)
    }

    mutating func ticked(at now: Instant, port: inout LoopPort) {
        guard now - waitingSince > Self.patience else { return }
        waitingSince = now
        // A version that does not come may stand still for a probe of which nothing has arrived.
        probe.waitedTooLong(into: &probeDirectives)
        carryOutProbe(port: &port)
        handle(.waitedTooLong, port: &port)
    }

    mutating func posted(_ post: WorkerPost, port: inout LoopPort) {
        switch post {
        case .assigned(let assignment):
            handle(.assigned(assignment), port: &port)
            probe.assign(assignment, into: &probeDirectives)
            probe.hold(machine.version, into: &probeDirectives)
            carryOutProbe(port: &port)
            reportProgress()
        case .computed(let result) where result.isProbe:
            waitingSince = MonotonicClock.now()
            finishedProbes[result.node] = result
            probe.computed(round: result.step, node: result.node, into: &probeDirectives)
            carryOutProbe(port: &port)
        case .computed(let result):
            progress.microbatches += result.node.count
            finished[result.node] = result
            handle(.computed(step: result.step, node: result.node), port: &port)
            reportProgress()
        }
    }

    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
        do {
            let header = try message.withPart(0) { bytes throws(FrameError) in try FrameHeader.decode(bytes) }
            try header.checkPayload(byteCount: message.partCount > 1 ? message.byteCount(ofPart: 1) : 0)
            guard header.kind == .parameters else { throw RejectedFrame.misdirected(header.kind) }
            if header.flags.contains(.probe) { return try takeProbe(header, message, port: &port) }
            try checkShape(header)
            try take(header, message, port: &port)
        } catch { rejected("\(error)") }
    }

    private mutating func reportProgress() {
        progress.step = machine.version
        progress.timeline = machine.currentTimeline ?? Timeline(rawValue: 0)
        progress.generation = machine.currentGeneration ?? Generation(rawValue: 0)
        progressed(progress)
    }

    private func checkShape(_ header: FrameHeader) throws {
        let index = Int(header.chunk.rawValue)
        guard index < plan.chunks.frameCount else { throw RejectedFrame.unknownChunk(header.chunk.rawValue) }
        let count = header.chunk == plan.chunks.statistics ? 0 : plan.chunks.chunks[index].range.count
        guard header.encoding == .f32, header.count == count else {
            throw RejectedFrame.shape(count: header.count, expected: count)
        }
    }

    private mutating func take(_ header: FrameHeader, _ message: ReceivedMessage, port: inout LoopPort) throws {
        let isWhole = message.partCount < 2 || message.withPart(1) { VectorKernels.checksum($0) == header.payloadChecksum }
        guard isWhole else { throw RejectedFrame.checksum(header.kind) }
        machine.handle(
            .parametersArrived(chunk: header.chunk, version: header.step, timeline: header.timeline), into: &directives)
        for directive in directives {
            guard case .store(let chunk, let version) = directive else {
                carryOut(directive, port: &port)
                continue
            }
            waitingSince = MonotonicClock.now()
            if Int(chunk.rawValue) == plan.chunks.chunks.count / 2 { failpoint?.reach(.receive, version) }
            if chunk == plan.chunks.statistics { continue }
            store(chunk, message)
        }
        directives.removeAll(keepingCapacity: true)
    }

    private mutating func store(_ chunk: ChunkIndex, _ message: ReceivedMessage) {
        let range = plan.chunks.chunks[Int(chunk.rawValue)].range
        message.withPart(1) { payload in
            var all = incoming.mutableSpan
            var part = all.part(range)
            VectorKernels.copy(bytes: payload, into: &part)
        }
    }

    private mutating func handle(_ event: WorkerMachine.Event, port: inout LoopPort) {
        machine.handle(event, into: &directives)
        for directive in directives { carryOut(directive, port: &port) }
        directives.removeAll(keepingCapacity: true)
    }

    private mutating func carryOut(_ directive: WorkerMachine.Directive, port: inout LoopPort) {
        switch directive {
        case .store: preconditionFailure("only a frame is stored")
        case .drop: break
        case .subscribe(let version, let timeline):
            send(
                FrameHeader(
                    kind: .attach, timeline: timeline, generation: Generation(rawValue: 0), step: version, sender: identity),
                port: &port)
        case .reportSynchronized(let version): synchronized(version)
        case .advance(let version):
            if plan.captures.capture(at: version) == .complete { failpoint?.reach(.snapshot, version) }
            swap(&current, &incoming)
            probe.hold(version, into: &probeDirectives)
            carryOutProbe(port: &port)
            reportProgress()
        case .compute(let step, let node):
            lane(LaneWork(step: step, node: node, parameters: current))
            failpoint?.reach(.compute, step)
        case .push(let step, let node, let timeline): push(step, node, timeline, port: &port)
        case .discard(_, let node):
            if let result = finished.removeValue(forKey: node) { recycle(result.gradient) }
        case .requestParameters(let version, let chunks):
            guard let timeline = machine.currentTimeline else { return }
            for chunk in chunks {
                send(
                    FrameHeader(
                        kind: .parameterRequest, timeline: timeline, generation: Generation(rawValue: 0), step: version,
                        chunk: chunk,
                        sender: identity), port: &port)
            }
        }
    }

    private mutating func push(_ step: Step, _ node: TreeNode, _ timeline: Timeline, port: inout LoopPort) {
        guard let result = finished.removeValue(forKey: node) else { return }
        push(result, timeline, port: &port)
        recycle(result.gradient)
    }

    /// Sends every chunk and the scalars. What was evaluated without a vector goes out with empty chunks.
    private mutating func push(_ result: NodeGradient, _ timeline: Timeline, port: inout LoopPort) {
        let flags: FrameHeader.Flags = result.isProbe ? .probe : []
        for chunk in plan.chunks.chunks {
            let range = result.gradient.count == 0 ? 0..<0 : chunk.range
            let payload = unsafe result.gradient.span.extracting(range).bytes
            let frame = FrameHeader(
                kind: .push, flags: flags, timeline: timeline, generation: Generation(rawValue: 0), step: result.step,
                chunk: chunk.index, node: result.node, count: range.count, sender: identity,
                payloadChecksum: VectorKernels.checksum(payload))
            send(frame, payload, port: &port)
            if !result.isProbe, Int(chunk.index.rawValue) == plan.chunks.chunks.count / 2 { failpoint?.reach(.push, result.step) }
        }
        let bits = result.scalars.map(\.bitPattern.littleEndian)
        for chunk in result.isProbe ? probeFrames : [plan.chunks.statistics] where plan.carriesScalars(chunk) {
            let range = result.isProbe ? plan.scalars(of: chunk, count: bits.count) : bits.indices
            let payload = unsafe bits.span.extracting(range).bytes
            send(
                FrameHeader(
                    kind: .statistics, encoding: .f64, flags: flags, timeline: timeline, generation: Generation(rawValue: 0),
                    step: result.step, chunk: chunk, node: result.node, count: range.count, sender: identity,
                    payloadChecksum: VectorKernels.checksum(payload)), payload, port: &port)
        }
    }

    private mutating func send(_ frame: FrameHeader, port: inout LoopPort) {
        let nothing: [UInt8] = []
        unsafe send(frame, nothing.span.bytes, port: &port)
    }

    private mutating func send(_ frame: FrameHeader, _ payload: RawSpan, port: inout LoopPort) {
        frame.encode(into: &header)
        do { try port.send(header, payload: payload) } catch { rejected("a \(frame.kind) frame was not sent: \(error)") }
    }
}

// MARK: - Probes

extension WorkerData {
    private mutating func takeProbe(_ header: FrameHeader, _ message: ReceivedMessage, port: inout LoopPort) throws {
        let isVector = !plan.carriesScalars(header.chunk)
        guard probe.accepts(count: header.count, of: header.chunk), header.encoding == (isVector ? .f32 : .f64) else {
            throw RejectedFrame.shape(count: header.count, expected: isVector ? 0 : ProbeTask.encodedCount)
        }
        waitingSince = MonotonicClock.now()
        if message.partCount < 2 {
            let nothing: [UInt8] = []
            unsafe probe.receive(
                header.chunk, round: header.step, timeline: header.timeline, payload: nothing.span.bytes, into: &probeDirectives)
        } else {
            try message.withPart(1) { payload in
                guard VectorKernels.checksum(payload) == header.payloadChecksum else { throw RejectedFrame.checksum(header.kind) }
                probe.receive(
                    header.chunk, round: header.step, timeline: header.timeline, payload: payload, into: &probeDirectives)
            }
        }
        carryOutProbe(port: &port)
    }

    private mutating func carryOutProbe(port: inout LoopPort) {
        let todo = probeDirectives
        probeDirectives.removeAll(keepingCapacity: true)
        for directive in todo {
            switch directive {
            case .subscribe(let round, let timeline): askProbe(.attach, round, nil, timeline, port: &port)
            case .compute(let order):
                lane(LaneWork(step: order.round, node: order.node, parameters: current, probe: order))
                failpoint?.reach(.probe, order.task.version)
            case .push(_, let node, let timeline):
                guard let result = finishedProbes.removeValue(forKey: node) else { continue }
                push(result, timeline, port: &port)
            case .discard(_, let node): finishedProbes[node] = nil
            case .request(let round, let chunks, let timeline):
                for chunk in chunks { askProbe(.parameterRequest, round, chunk, timeline, port: &port) }
            }
        }
    }

    private mutating func askProbe(
        _ kind: FrameHeader.Kind, _ round: Step, _ chunk: ChunkIndex?, _ timeline: Timeline, port: inout LoopPort
    ) {
        send(
            FrameHeader(
                kind: kind, flags: .probe, timeline: timeline, generation: Generation(rawValue: 0), step: round,
                chunk: chunk ?? ChunkIndex(rawValue: 0), sender: identity), port: &port)
    }
}
