import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import Training
import Transport
import WireProtocol

/// What the coordinator tells a shard host.
enum ShardPost: Sendable {
    case applyAllowed(step: Step, timeline: Timeline, clipScale: Double)
    /// A worker is a member: its frames count from now on.
    case admitted(WorkerID, memory: String)
    /// A worker is no member any more: it is sent nothing, and its frames are dropped.
    case unsubscribed(WorkerID)
    case captureRequested
    /// These workers host the shards of the timeline from now on.
    case place(ShardMap, timeline: Timeline, generation: Generation)
    /// Go on with the probe of the present version.
    case probe(ProbeShardOrder, timeline: Timeline)
    /// Put a snapshot in place as the start of a timeline.
    case restore(version: Step, timeline: Timeline, state: OptimizerState)
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

/// The shell of a shard: the data socket's thread, which owns the shard's machine and its numbers.
struct ShardHost: SocketHandler {
    let plan: TrainingPlan
    /// News leave at the end of a turn, after the frames that workers wait for.
    private let deliver: @Sendable (ShardNews) -> Void
    private var news: [ShardNews] = []
    var machine: ShardMachine
    /// nil while the chunks live on workers.
    private var store: ShardStore?
    /// The workers that host the chunks, if they do.
    var placement: ShardPlacementState
    private var statistics = StatisticsReducer()
    private var contributions = Contributions()
    private var norms: NormCollector
    var captures: CaptureAssembler
    var probe: ProbeShard
    var probeDirectives: [ProbeShard.Directive] = []
    var clipScale = 1.0
    private let firstVersion: Step
    private var members: Set<WorkerID> = []
    /// What this process's neighbours read; whose memory it has open, and who has its.
    let memory: ExchangeMemory
    private var memories: [WorkerID: PeerMemory] = [:]
    private var readers: Set<WorkerID> = []
    private var batch = FrameBatch()
    /// The checksum of the chunk that was applied last, which is mostly what is sent next.
    private var fresh: (chunk: ChunkIndex, version: Step, checksum: UInt32)?
    /// Attachments that have overtaken the news of their worker's admission, which comes through another thread.
    private var waiting: [WorkerID: (fromVersion: Step, timeline: Timeline)] = [:]
    private var waitingForProbes: [WorkerID: (fromRound: Step, timeline: Timeline)] = [:]
    private static let waitingMax = 1024
    private var rejections = 0
    private var directives: [ShardMachine.Directive] = []

    /// A host that begins with version `version` of `timeline`.
    init(
        plan: TrainingPlan, memory: ExchangeMemory, version: Step, timeline: Timeline, state: OptimizerState,
        tell: @escaping @Sendable (ShardNews) -> Void
    ) {
        (self.plan, self.memory) = (plan, memory)
        deliver = tell
        firstVersion = version
        let training = plan.experiment.training
        let isHere = training.placement == .coordinator
        let chunks = isHere ? (0..<UInt32(plan.chunks.frameCount)).map(ChunkIndex.init(rawValue:)) : [plan.chunks.statistics]
        machine = ShardMachine(
            .init(
                tree: plan.tree, chunks: chunks, statistics: plan.chunks.statistics, steps: training.steps,
                twoPhase: training.twoPhase,
                captures: plan.captures, probes: plan.probes),
            timeline: timeline)
        probe = ProbeShard(plan: plan, timeline: timeline)
        store = isHere ? ShardStore(plan: plan.chunks, update: plan.update, state: state, versions: memory.versions) : nil
        placement = ShardPlacementState(version: version, state: isHere ? nil : state)
        norms = NormCollector(chunks: plan.chunks.chunks.map(\.index))
        captures = CaptureAssembler(
            plan: plan.chunks, optimizer: plan.experiment.optimizer, elements: state.parameters.count)
    }

    mutating func started(port: inout LoopPort) {
        stampAll(firstVersion)
        handle(.restored(version: firstVersion, timeline: machine.timeline), port: &port)
    }

    mutating func posted(_ post: ShardPost, port: inout LoopPort) {
        switch post {
        case .applyAllowed(let step, let timeline, let clipScale):
            self.clipScale = clipScale
            allowHosts(step, timeline, port: &port)
            handle(.applyAllowed(step: step, timeline: timeline), port: &port)
        case .place(let map, let timeline, let generation): place(map, timeline, generation)
        case .admitted(let worker, let memory):
            members.insert(worker)
            if self.memory.outboxCount > 0 { memories[worker] = PeerMemory(opening: memory, self.memory.plan) }
            if let (version, timeline) = waiting.removeValue(forKey: worker) { attach(worker, version, timeline, port: &port) }
            if let (round, timeline) = waitingForProbes.removeValue(forKey: worker) {
                attachToProbes(worker, round, timeline, port: &port)
            }
        case .unsubscribed(let worker):
            members.remove(worker)
            memories[worker] = nil
            batch.forget(worker)
            readers.remove(worker)
            waiting[worker] = nil
            waitingForProbes[worker] = nil
            probe.unsubscribe(worker)
            handle(.unsubscribed(worker), port: &port)
        case .captureRequested:
            if store == nil { requestCapture(port: &port) } else { handle(.captureRequested(version: nil), port: &port) }
        case .probe(let order, let timeline): carryOut(order, timeline, port: &port)
        case .restore(let version, let timeline, let state): restore(version, timeline, state, port: &port)
        }
    }

    /// The new history is told of before anything in it: the copy of its first version is part of the record. The machine discards what it
    /// holds before it announces that version.
    private mutating func restore(_ version: Step, _ timeline: Timeline, _ state: OptimizerState, port: inout LoopPort) {
        norms = NormCollector(chunks: plan.chunks.chunks.map(\.index))
        captures = CaptureAssembler(
            plan: plan.chunks, optimizer: plan.experiment.optimizer, elements: state.parameters.count)
        for chunk in plan.chunks.chunks { for next in version...version + 1 { memory.willWrite(chunk.index, next) } }
        store?.restore(state)
        fresh = nil
        placement = ShardPlacementState(version: version, state: store == nil ? state : nil)
        probe.restart(timeline: timeline)
        tell(.restored(version: version, timeline: timeline))
        stampAll(version, timeline)
        handle(.restored(version: version, timeline: timeline), port: &port)
    }

    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
        guard let peer = message.peer else { return }
        do {
            var frames = try ReceivedFrames(message)
            while let header = try frames.next() {
                do { try take(header, of: message, from: peer, port: &port) } catch { reject(error, from: peer) }
            }
        } catch { reject(error, from: peer) }
    }

    /// Told each time the count has doubled: news share an inbox with what must not be lost.
    private mutating func reject(_ error: any Error, from peer: WorkerID) {
        rejections += 1
        if rejections.nonzeroBitCount == 1 { tell(.frameRejected(peer, reason: "\(error)", count: rejections)) }
    }

    mutating func settled(port: inout LoopPort) {
        flush(port: &port)
        for item in news { deliver(item) }
        news.removeAll(keepingCapacity: true)
    }

    private mutating func flush(port: inout LoopPort) {
        var failures: [ShardNews] = []
        batch.flush(port: &port) { failures.append(.unreachable($0, reason: "\($1)")) }
        news += failures
    }

    mutating func tell(_ item: ShardNews) { news.append(item) }

    private mutating func take(_ header: FrameHeader, of message: ReceivedMessage, from peer: WorkerID, port: inout LoopPort) throws
    {
        try header.checkPayload(byteCount: message.partCount > 1 ? message.byteCount(ofPart: 1) : 0)
        guard header.sender == peer else { throw RejectedFrame.forged(sender: header.sender) }
        if members.contains(peer) {
            if header.flags.contains(.reads) { readers.insert(peer) }
            return try take(header, message, from: peer, port: &port)
        }
        guard header.kind == .attach, waiting.count + waitingForProbes.count < Self.waitingMax else {
            throw RejectedFrame.stranger
        }
        if header.flags.contains(.probe) {
            waitingForProbes[peer] = (header.step, header.timeline)
        } else {
            waiting[peer] = (header.step, header.timeline)
        }
    }

    private mutating func take(_ header: FrameHeader, _ message: ReceivedMessage, from peer: WorkerID, port: inout LoopPort) throws
    {
        if header.flags.contains(.probe) { return try takeProbe(header, message, from: peer, port: &port) }
        switch header.kind {
        case .attach: attach(peer, header.step, header.timeline, port: &port)
        case .parameterRequest:
            handle(.parametersRequested(peer, version: header.step, chunks: [header.chunk]), port: &port)
        case .push, .statistics:
            guard let node = header.node else { return }
            try checkShape(header)
            let name = PushName(timeline: header.timeline, step: header.step, chunk: header.chunk, node: node)
            if header.flags.contains(.shared) {
                let value = memories[peer]?.gradient(header.chunk, header.step, header.timeline, outbox: Int(header.section))
                // One that is not there any more is of a step that has been applied.
                if let value { push(name, .floats(value), from: peer, port: &port) }
                return
            }
            if header.kind == .push {
                let value = message.borrowedFloats(ofPart: 1)
                guard VectorKernels.checksum(value.bytes(0..<value.count)) == header.payloadChecksum else {
                    throw RejectedFrame.checksum(header.kind)
                }
                return push(name, .floats(value), from: peer, port: &port)
            }
            try message.withPart(1) { payload in
                guard VectorKernels.checksum(payload) == header.payloadChecksum else { throw RejectedFrame.checksum(header.kind) }
                push(name, .doubles(Self.doubles(payload)), from: peer, port: &port)
            }
        case .shardRequest, .applied, .norms, .captureMissed, .snapshot: try takeFromHost(header, message, peer, port: &port)
        case .parameters, .resendRequest, .apply, .captureRequest: throw RejectedFrame.misdirected(header.kind)
        }
    }

    private mutating func attach(_ worker: WorkerID, _ version: Step, _ timeline: Timeline, port: inout LoopPort) {
        if timeline == machine.timeline { handle(.subscribed(worker, fromVersion: version), port: &port) }
    }

    /// Whether a push has the size that its chunk and step ask for.
    private func checkShape(_ header: FrameHeader) throws {
        let isStatistics = header.chunk == plan.chunks.statistics
        let (encoding, count): (FrameHeader.Encoding, Int)
        if isStatistics {
            (encoding, count) = (.f64, plan.statistics.count(gathered: plan.gathers(at: header.step)))
        } else {
            guard Int(header.chunk.rawValue) < plan.chunks.chunks.count else {
                throw RejectedFrame.unknownChunk(header.chunk.rawValue)
            }
            (encoding, count) = (.f32, plan.chunks.chunks[Int(header.chunk.rawValue)].range.count)
        }
        guard header.encoding == encoding, header.count == count, (header.kind == .statistics) == isStatistics else {
            throw RejectedFrame.shape(count: header.count, expected: count)
        }
    }
}

// MARK: - Carrying out directives

extension ShardHost {
    private enum Pushed {
        /// To be read where they lie.
        case floats(BorrowedFloats)
        case doubles([Double])
    }

    /// All chunks hold `version` of the timeline.
    private func stampAll(_ version: Step, _ timeline: Timeline? = nil) {
        if store == nil { return }
        for chunk in plan.chunks.chunks { memory.didWrite(chunk.index, version, timeline ?? machine.timeline) }
    }

    private mutating func push(_ name: PushName, _ value: Pushed, from peer: WorkerID, port: inout LoopPort) {
        machine.handle(.pushed(name), into: &directives)
        for directive in directives {
            guard case .accept(let chunk, let merging, let yields) = directive else {
                carryOut(directive, port: &port)
                continue
            }
            switch value {
            case .doubles(let values):
                contributions.accept(name.node, from: peer)
                statistics.accept(values, merging: merging, yields: yields)
            case .floats(let values): store?.accept(chunk: chunk, borrowing: values, merging: merging, yields: yields)
            }
        }
        directives.removeAll(keepingCapacity: true)
    }

    mutating func handle(_ event: ShardMachine.Event, port: inout LoopPort) {
        machine.handle(event, into: &directives)
        for directive in directives { carryOut(directive, port: &port) }
        directives.removeAll(keepingCapacity: true)
    }

    private mutating func carryOut(_ directive: ShardMachine.Directive, port: inout LoopPort) {
        switch directive {
        case .accept: preconditionFailure("only a push is accepted")
        case .drop: break
        case .discard(let chunk, let nodes):
            if chunk == plan.chunks.statistics {
                statistics.discard(nodes)
                contributions.discard(nodes)
            } else {
                store?.discard(chunk: chunk, nodes: nodes)
            }
        case .rooted(let chunk, let step): collectNorms(chunk, step)
        case .reportReduced(let step): tell(.reduced(step: step, squaredNorms: norms.take()))
        case .apply(let chunk, let step):
            memory.willWrite(chunk, step + 1)
            apply(chunk, step)
            memory.didWrite(chunk, step + 1, machine.timeline)
        case .deliverStatistics(let step):
            tell(.statistics(step: step, values: statistics.take(root: plan.tree.root), contributions: contributions.take()))
        case .capture(let chunk, let version, let occasion):
            guard let store else { return }
            if let capture = captures.add(chunk, version: version, occasion, from: store) { tell(.captured(capture)) }
        case .reportCaptureMissed: break
        case .publish(let chunk, let version, let readers): publish(chunk, version, readers, port: &port)
        case .reportApplied(let version):
            if store == nil { reported { $0.applied(.coordinator, version) } } else { tell(.applied(version: version)) }
        }
    }

    /// Past the caches, unless somebody is sent the new version in frames.
    private mutating func apply(_ chunk: ChunkIndex, _ step: Step) {
        fresh = nil
        guard members.count > readers.count else {
            return store?.apply(chunk: chunk, step: step, clipScale: clipScale, root: plan.tree.root) ?? ()
        }
        let checksum = store?.applyChecked(chunk: chunk, step: step, clipScale: clipScale, root: plan.tree.root)
        fresh = checksum.map { (chunk, step + 1, $0) }
    }

    private mutating func collectNorms(_ chunk: ChunkIndex, _ step: Step) {
        guard plan.needsNorms(at: step) else { return }
        if let values = store?.squaredNorms(chunk: chunk, root: plan.tree.root) { norms.set(values, of: chunk) }
        if !machine.configuration.isHeld(step) && norms.isComplete { tell(.norms(step: step, squaredNorms: norms.take())) }
    }

    mutating func publish(_ chunk: ChunkIndex, _ version: Step, _ targets: [WorkerID], port: inout LoopPort) {
        let isStatistics = chunk == plan.chunks.statistics
        let range = isStatistics ? 0..<0 : plan.chunks.chunks[Int(chunk.rawValue)].range
        let memory = store?.versions[version] ?? FloatMemory(count: 0)
        var checksum: UInt32?
        var frame = FrameHeader(
            kind: .parameters, timeline: machine.timeline, generation: Generation(rawValue: 0), step: version, chunk: chunk,
            count: range.count, sender: .coordinator)
        for reader in targets {
            frame.flags = memories[reader] == nil ? [] : .reads
            if !isStatistics && readers.contains(reader) {
                frame.flags.insert(.shared)
                frame.payloadChecksum = 0
                send(frame, to: reader, port: &port)
                continue
            }
            if !isStatistics && checksum == nil { checksum = self.checksum(chunk, version, memory.floats(range)) }
            frame.payloadChecksum = checksum ?? 0
            do { try batch.send(frame, memory, range, to: reader, port: &port) } catch {
                tell(.unreachable(reader, reason: "\(error)"))
            }
        }
    }

    private func checksum(_ chunk: ChunkIndex, _ version: Step, _ values: Span<Float>) -> UInt32 {
        if let fresh, fresh.chunk == chunk, fresh.version == version { return fresh.checksum }
        return VectorKernels.checksum(unsafe values.bytes)
    }

    /// Sends a frame, in the order of all frames to `peer`; small ones leave together at the turn's end.
    mutating func send(_ frame: FrameHeader, _ payload: RawSpan, to peer: WorkerID, port: inout LoopPort) {
        do { try batch.send(frame, payload, to: peer, port: &port) } catch { tell(.unreachable(peer, reason: "\(error)")) }
    }

    /// A frame without a payload.
    mutating func send(_ frame: FrameHeader, to peer: WorkerID, port: inout LoopPort) {
        let nothing: [UInt8] = []
        unsafe send(frame, nothing.span.bytes, to: peer, port: &port)
    }

    /// What a probe needs of the version that stands still.
    var probedState: OptimizerState? { store.map(\.state) ?? placement.probed }

    static func doubles(_ payload: RawSpan) -> [Double] {
        (0..<payload.byteCount / 8).map { index in
            unsafe Double(bitPattern: UInt64(littleEndian: payload.unsafeLoadUnaligned(fromByteOffset: index * 8, as: UInt64.self)))
        }
    }
}

/// Why a well-formed frame does not fit this run.
enum RejectedFrame: Error, CustomStringConvertible {
    case checksum(FrameHeader.Kind)
    case misdirected(FrameHeader.Kind)
    case forged(sender: WorkerID)
    case stranger
    case unknownChunk(UInt32)
    case shape(count: Int, expected: Int)
    case unexpected(String)

    var description: String {
        switch self {
        case .checksum(let kind): "the payload of a \(kind) frame does not have the checksum that its header states"
        case .misdirected(let kind): "a \(kind) frame is not for this receiver"
        case .forged(let sender): "a frame says that \(sender) sent it, but it came over another worker's connection"
        case .stranger: "the sender is no member of this run"
        case .unknownChunk(let index): "there is no chunk \(index) in this run's plan"
        case .unexpected(let sentence): sentence
        case .shape(let count, let expected): "a frame carries \(count) elements where this run's plan has \(expected)"
        }
    }
}
