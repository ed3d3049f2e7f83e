import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import Training
import Transport
import WireProtocol

/// The shell of a shard: a data socket's thread, which owns the shard's machine and its numbers.
///
/// The coordinator has one, the hub, or several, of which the first is the hub: the others tell it what there is to tell, and it tells
/// the coordinator what follows from all.
struct ShardHost: SocketHandler {
    let plan: TrainingPlan
    let identity: WorkerID
    /// Hands a post to another host of this process.
    let pass: @Sendable (WorkerID, ShardPost) -> Void
    /// What is for the hub; passed on at the end of a turn too.
    var reports: [(ShardReport, Timeline)] = []
    /// News leave at the end of a turn, after the frames that workers wait for.
    private let deliver: @Sendable (ShardNews) -> Void
    var news: [ShardNews] = []
    var machine: ShardMachine
    /// nil while the chunks live on workers.
    var store: ShardStore?
    /// The chunks of parameters that are hosted here, ascending.
    let chunks: [ChunkIndex]
    /// What the hub knows of all hosts; empty in the others.
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
    var memories: [WorkerID: PeerMemory] = [:]
    var readers: Set<WorkerID> = []
    var batch = FrameBatch()
    /// The checksum of the chunk that was applied last, which is mostly what is sent next.
    var fresh: (chunk: ChunkIndex, version: Step, checksum: UInt32)?
    /// Attachments that have overtaken the news of their worker's admission, which comes through another thread.
    private var waiting: [WorkerID: (fromVersion: Step, timeline: Timeline)] = [:]
    private var waitingForProbes: [WorkerID: (fromRound: Step, timeline: Timeline)] = [:]
    private static let waitingMax = 1024
    /// What the statistics' new version has in it.
    let nothing = FloatMemory(count: 0)
    private var rejections = 0
    private var directives: [ShardMachine.Directive] = []

    /// A host that begins with version `version` of `timeline`. The store, in `memory`, is to hold the chunks that the plan deals it; there
    /// is none while workers hold all.
    init(
        plan: TrainingPlan, identity: WorkerID = .coordinator, memory: ExchangeMemory, store: ShardStore?, version: Step,
        timeline: Timeline, state: OptimizerState, pass: @escaping @Sendable (WorkerID, ShardPost) -> Void = { _, _ in },
        tell: @escaping @Sendable (ShardNews) -> Void
    ) {
        (self.plan, self.identity, self.memory, self.store, self.pass) = (plan, identity, memory, store, pass)
        deliver = tell
        firstVersion = version
        let training = plan.experiment.training
        let hosted = plan.coordinatorMap?.chunks(of: identity) ?? [plan.chunks.statistics]
        chunks = hosted.filter { $0 != plan.chunks.statistics }
        machine = ShardMachine(
            .init(
                tree: plan.tree, chunks: hosted, statistics: plan.chunks.statistics, steps: training.steps,
                twoPhase: training.twoPhase,
                captures: plan.captures, probes: plan.probes),
            timeline: timeline)
        probe = ProbeShard(plan: plan, timeline: timeline)
        placement = ShardPlacementState(plan: plan, of: identity, version: version, state: state)
        norms = NormCollector(chunks: chunks)
        captures = CaptureAssembler(
            plan: plan.chunks, optimizer: plan.experiment.optimizer, elements: state.parameters.count)
        for chunk in chunks { self.store?.install(chunk, from: state) }
    }

    var isHub: Bool { identity == .coordinator }

    mutating func started(port: inout LoopPort) {
        stampAll(firstVersion)
        handle(.restored(version: firstVersion, timeline: machine.timeline), port: &port)
    }

    mutating func posted(_ post: ShardPost, port: inout LoopPort) {
        switch post {
        case .applyAllowed(let step, let timeline, let clipScale):
            self.clipScale = clipScale
            allowWorkers(step, timeline, port: &port)
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
        case .captureRequested: requestCapture(port: &port)
        case .capture(let version): handle(.captureRequested(version: version), port: &port)
        case .probe(let order, let timeline): carryOut(order, timeline, port: &port)
        case .restore(let version, let timeline, let state): restore(version, timeline, state, port: &port)
        case .reported(let report, let host, let timeline): take(report, from: host, timeline, port: &port)
        }
    }

    /// The new history is told of before anything in it: the copy of its first version is part of the record. The machine discards what it
    /// holds before it announces that version.
    private mutating func restore(_ version: Step, _ timeline: Timeline, _ state: OptimizerState, port: inout LoopPort) {
        norms = NormCollector(chunks: chunks)
        captures = CaptureAssembler(
            plan: plan.chunks, optimizer: plan.experiment.optimizer, elements: state.parameters.count)
        for chunk in chunks { for next in version...version + 1 { memory.willWrite(chunk, next) } }
        for chunk in chunks { store?.install(chunk, from: state) }
        fresh = nil
        placement = ShardPlacementState(plan: plan, of: identity, version: version, state: state)
        batch.begin(timeline)
        probe.restart(timeline: timeline)
        if isHub { beginRestoring(version, timeline, state) } else { reports.append((.restored, timeline)) }
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
        passReports(port: &port)
        for item in news { deliver(item) }
        news.removeAll(keepingCapacity: true)
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

    /// All chunks here hold `version` of the timeline.
    private func stampAll(_ version: Step, _ timeline: Timeline? = nil) {
        for chunk in chunks { memory.didWrite(chunk, version, timeline ?? machine.timeline) }
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
        case .reportReduced(let step): report(.norms(step: step, norms.take()))
        case .apply(let chunk, let step):
            memory.willWrite(chunk, step + 1)
            apply(chunk, step)
            memory.didWrite(chunk, step + 1, machine.timeline)
        case .deliverStatistics(let step):
            tell(.statistics(step: step, values: statistics.take(root: plan.tree.root), contributions: contributions.take()))
        case .capture(let chunk, let version, let occasion):
            guard let store else { return }
            if isHub {
                put(version, occasion) { $0.add(chunk, version: version, occasion, from: store) }
            } else {
                let sections = store.copy(ofSections: captures.sections(occasion), of: chunk)
                report(.captured(chunk, version: version, occasion, sections))
            }
        case .reportCaptureMissed(let target, let foremost): report(.captureMissed(target: target, foremost: foremost))
        case .publish(let chunk, let version, let readers): publish(chunk, version, readers, port: &port)
        case .reportApplied(let version): report(.applied(version: version))
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
        if !machine.configuration.isHeld(step) && norms.isComplete { report(.norms(step: step, norms.take())) }
    }

    /// What a probe needs of the version that stands still, on every host.
    var probedState: OptimizerState? { store?.state(at: machine.version) ?? placement.probed }

    static func doubles(_ payload: RawSpan) -> [Double] {
        (0..<payload.byteCount / 8).map { index in
            unsafe Double(bitPattern: UInt64(littleEndian: payload.unsafeLoadUnaligned(fromByteOffset: index * 8, as: UInt64.self)))
        }
    }
}
