import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import StructuredLayers
import Training
import Transport
import WireProtocol

/// What the coordinator's shard host knows of shards that live on workers.
struct ShardPlacementState {
    /// The timeline's first version, of which hosts take their chunks; nil once they have, and while chunks live here.
    var first: (version: Step, state: OptimizerState)?
    var map: ShardMap?
    var generation = Generation(rawValue: 0)
    var ledger: ShardLedger?
    /// The version that may be probed, once all of it is here.
    var probed: OptimizerState?
    /// The last step that was allowed.
    var allowed: (step: Step, clipScale: Double)?
    /// When the hosts were last asked for a snapshot that has not come.
    var askedAt: Instant?

    init(version: Step, state: OptimizerState?) { first = state.map { (version, $0) } }
}

/// Shards on workers: hands out their chunks, keeps the ledger of their reports, puts their copies together.
extension ShardHost {
    mutating func place(_ map: ShardMap, _ timeline: Timeline, _ generation: Generation) {
        guard timeline == machine.timeline, let first = placement.first else { return }
        (placement.map, placement.generation) = (map, generation)
        placement.ledger = ShardLedger(
            map: map, plan: plan.chunks, version: first.version, captures: plan.captures, probes: plan.probes)
        reported { $0.applied(.coordinator, first.version) }
    }

    /// Takes what a host of shards says; what is of another timeline or placement is void.
    mutating func takeFromHost(_ header: FrameHeader, _ message: ReceivedMessage, _ peer: WorkerID, port: inout LoopPort) throws {
        guard let map = placement.map, header.timeline == machine.timeline, header.generation == placement.generation else {
            return
        }
        guard map.hosts.contains(peer) else { throw RejectedFrame.misdirected(header.kind) }
        guard header.step <= plan.experiment.training.steps, placement.ledger?.isPlausible(header.step) ?? true else {
            throw RejectedFrame.unexpected("a \(header.kind) frame is of step \(header.step), where nobody can be")
        }
        switch header.kind {
        case .shardRequest: install(map.chunks(of: peer), at: peer, port: &port)
        case .applied:
            if let lack = lack(of: peer, at: header.step, map) { return tell(.hostFailed(peer, reason: "\(lack) did not arrive")) }
            reported { $0.applied(peer, header.step) }
        case .norms: try takeNorms(header, message, peer, port: &port)
        case .snapshot: try takeSection(header, message, peer, map)
        case .captureMissed:
            let foremost = try checkedDoubles(header, message).first ?? -1
            guard foremost >= 0, foremost < 9e15 else { return }
            if let target = placement.ledger?.captureMissed(target: header.step, foremost: Step(foremost)) {
                ask(for: target, port: &port)
            }
        default: throw RejectedFrame.misdirected(header.kind)
        }
    }

    /// Takes a report into the ledger, and tells the coordinator what follows from it.
    mutating func reported(_ report: (inout ShardLedger) -> Void) {
        // Taken out, so that it is changed in its place.
        guard var ledger = placement.ledger.take() else { return }
        defer { placement.ledger = ledger }
        report(&ledger)
        while let news = ledger.news(needsNorms: { plan.needsNorms(at: $0) }) {
            switch news {
            case .placed:
                placement.first = nil
                tell(.placed(generation: placement.generation))
            case .applied(let version): tell(.applied(version: version))
            case .reduced(let step, let norms):
                tell(
                    machine.configuration.isHeld(step)
                        ? .reduced(step: step, squaredNorms: norms) : .norms(step: step, squaredNorms: norms))
            }
        }
    }

    /// The chunks of the timeline's first version, section by section.
    private mutating func install(_ chunks: [ChunkIndex], at host: WorkerID, port: inout LoopPort) {
        guard let (version, state) = placement.first else { return }
        let sections = [state.parameters] + state.moments
        for chunk in chunks where chunk != plan.chunks.statistics {
            let range = plan.chunks.chunks[Int(chunk.rawValue)].range
            for (section, vector) in sections.enumerated() {
                let payload = unsafe vector.span.extracting(range).bytes
                let frame = FrameHeader(
                    kind: .snapshot, section: UInt16(section), timeline: machine.timeline, generation: placement.generation,
                    step: version, chunk: chunk, count: range.count, sender: .coordinator,
                    payloadChecksum: VectorKernels.checksum(payload))
                send(frame, payload, to: host, port: &port)
            }
        }
    }

    /// What a host that has reached `version` must have sent before it said so, and has not: frames keep their order, so they were lost.
    private func lack(of host: WorkerID, at version: Step, _ map: ShardMap) -> String? {
        guard let ledger = placement.ledger else { return nil }
        if let step = ledger.missingNorms(of: host, before: version, needed: { plan.needsNorms(at: $0) }) {
            return "the norms of step \(step)"
        }
        let missing = ledger.missingCopies(through: version)
        if missing.isEmpty { return nil }
        let chunks = map.chunks(of: host).filter { $0 != plan.chunks.statistics }
        for (copy, occasion) in missing where captures.lacks(chunks, of: copy, occasion) { return "the copy of version \(copy)" }
        return nil
    }

    private mutating func takeNorms(
        _ header: FrameHeader, _ message: ReceivedMessage, _ peer: WorkerID, port: inout LoopPort
    ) throws {
        let (step, isHeld) = (header.step, header.flags.contains(.held))
        let values = try checkedDoubles(header, message)
        // The word that it waits for may have been lost.
        if isHeld, let allowed = placement.allowed, allowed.step == step {
            return sendWord(allowed.step, allowed.clipScale, to: peer, port: &port)
        }
        let (plan, needed) = (plan, plan.needsNorms(at: step))
        reported { ledger in
            ledger.reduced(peer, step: step, norms: values) { chunk in
                needed ? plan.chunks.chunks[Int(chunk.rawValue)].segments.count : 0
            }
        }
    }

    mutating func allowHosts(_ step: Step, _ timeline: Timeline, port: inout LoopPort) {
        guard let map = placement.map, timeline == machine.timeline else { return }
        placement.allowed = (step, clipScale)
        for host in map.hosts { sendWord(step, clipScale, to: host, port: &port) }
    }

    private mutating func sendWord(_ step: Step, _ clipScale: Double, to host: WorkerID, port: inout LoopPort) {
        let bits = [clipScale.bitPattern.littleEndian]
        let payload = unsafe bits.span.bytes
        let frame = FrameHeader(
            kind: .apply, encoding: .f64, timeline: machine.timeline, generation: placement.generation, step: step, count: 1,
            sender: .coordinator, payloadChecksum: VectorKernels.checksum(payload))
        send(frame, payload, to: host, port: &port)
    }

    private mutating func takeSection(_ header: FrameHeader, _ message: ReceivedMessage, _ peer: WorkerID, _ map: ShardMap) throws {
        guard Int(header.chunk.rawValue) < plan.chunks.chunks.count, map.host(of: header.chunk) == peer else {
            throw RejectedFrame.unknownChunk(header.chunk.rawValue)
        }
        let occasion: CaptureOccasion
        if header.flags.contains(.requested) {
            occasion = .requested
        } else if header.flags.contains(.probed) {
            occasion = .probed
        } else {
            occasion = .scheduled(complete: plan.captures.capture(at: header.step) == .complete)
        }
        guard placement.ledger?.awaits(header.step, occasion) == true else { return }
        let expected = plan.chunks.chunks[Int(header.chunk.rawValue)].range.count
        guard header.encoding == .f32, header.count == expected, Int(header.section) < captures.sections(occasion) else {
            throw RejectedFrame.shape(count: header.count, expected: expected)
        }
        let payload = message.borrowedFloats(ofPart: 1)
        let bytes = payload.bytes(0..<payload.count)
        guard VectorKernels.checksum(bytes) == header.payloadChecksum else { throw RejectedFrame.checksum(header.kind) }
        guard let capture = captures.add(Int(header.section), of: header.chunk, version: header.step, occasion, bytes) else {
            return
        }
        if occasion == .probed { placement.probed = capture.state } else { tell(.captured(capture)) }
        reported { $0.captured(header.step, occasion) }
    }

    private func checkedDoubles(_ header: FrameHeader, _ message: ReceivedMessage) throws -> [Double] {
        if message.partCount < 2 { return [] }
        guard header.encoding == .f64 else { throw RejectedFrame.shape(count: header.count, expected: 0) }
        return try message.withPart(1) { payload in
            guard VectorKernels.checksum(payload) == header.payloadChecksum else { throw RejectedFrame.checksum(header.kind) }
            return Self.doubles(payload)
        }
    }

    // MARK: A snapshot on request

    mutating func requestCapture(port: inout LoopPort) {
        if let target = placement.ledger?.requestCapture() { ask(for: target, port: &port) }
    }

    private mutating func ask(for target: Step, port: inout LoopPort) {
        captures.forgetRequested(except: target)
        for host in placement.map?.hosts ?? [] {
            let frame = FrameHeader(
                kind: .captureRequest, timeline: machine.timeline, generation: placement.generation, step: target,
                sender: .coordinator)
            send(frame, to: host, port: &port)
        }
    }

    mutating func ticked(at now: Instant, port: inout LoopPort) {
        guard let target = placement.ledger?.captureTarget else { return placement.askedAt = nil }
        guard let asked = placement.askedAt else { return placement.askedAt = now }
        guard now - asked > .seconds(5) else { return }
        placement.askedAt = now
        ask(for: target, port: &port)
    }
}
