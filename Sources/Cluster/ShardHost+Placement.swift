import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import StructuredLayers
import Training
import Transport
import WireProtocol

/// What the hub knows of all shards, wherever they live.
struct ShardPlacementState {
    /// The timeline's first version, of which workers take their chunks; nil once they have, and while chunks live with the coordinator.
    var first: (version: Step, state: OptimizerState)?
    var map: ShardMap?
    var generation = Generation(rawValue: 0)
    var ledger: ShardLedger?
    /// The coordinator's hosts that have not put the version that this timeline goes back to in place.
    var restoring: (version: Step, hosts: Set<WorkerID>)?
    /// The version that may be probed, once all of it is here; of chunks on workers.
    var probed: OptimizerState?
    /// The last step that was allowed.
    var allowed: (step: Step, clipScale: Double)?
    /// When the hosts were last asked for a snapshot that has not come.
    var askedAt: Instant?

    /// At the beginning of a timeline, whose first version is `version`. The coordinator's hosts are known; on workers shards will be placed.
    init(plan: TrainingPlan, of host: WorkerID, version: Step, state: OptimizerState) {
        guard host == .coordinator else { return }
        map = plan.coordinatorMap
        if let map {
            // What stands still is looked at in its hosts' memory.
            ledger = ShardLedger(map: map, plan: plan.chunks, version: version, captures: plan.captures)
        } else {
            first = (version, state)
        }
    }
}

/// The hub: hands out the chunks of shards on workers, keeps the ledger of all hosts' reports, puts their copies together.
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
        case .shardRequest: hand(map.chunks(of: peer), to: peer, port: &port)
        case .applied:
            if let lack = lack(of: peer, at: header.step, map) { return tell(.hostFailed(peer, reason: "\(lack) did not arrive")) }
            take(.applied(version: header.step), from: peer, header.timeline, port: &port)
        case .norms: try takeNorms(header, message, peer, port: &port)
        case .snapshot: try takeSection(header, message, peer, map)
        case .captureMissed:
            let foremost = try checkedDoubles(header, message).first ?? -1
            guard foremost >= 0, foremost < 9e15 else { return }
            take(.captureMissed(target: header.step, foremost: Step(foremost)), from: peer, header.timeline, port: &port)
        default: throw RejectedFrame.misdirected(header.kind)
        }
    }

    /// The chunks of the timeline's first version, section by section.
    private mutating func hand(_ chunks: [ChunkIndex], to host: WorkerID, port: inout LoopPort) {
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
        take(.norms(step: step, values), from: peer, header.timeline, port: &port)
    }

    /// Passes the word on to workers; the coordinator's hosts all have it from the coordinator.
    mutating func allowWorkers(_ step: Step, _ timeline: Timeline, port: inout LoopPort) {
        guard let map = placement.map, timeline == machine.timeline else { return }
        placement.allowed = (step, clipScale)
        for host in map.hosts where !host.isCoordinators { sendWord(step, clipScale, to: host, port: &port) }
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
        let expected = plan.chunks.chunks[Int(header.chunk.rawValue)].range.count
        guard header.encoding == .f32, header.count == expected, Int(header.section) < captures.sections(occasion) else {
            throw RejectedFrame.shape(count: header.count, expected: expected)
        }
        let payload = message.borrowedFloats(ofPart: 1)
        let bytes = payload.bytes(0..<payload.count)
        guard VectorKernels.checksum(bytes) == header.payloadChecksum else { throw RejectedFrame.checksum(header.kind) }
        put(header.step, occasion) {
            $0.add(Int(header.section), of: header.chunk, version: header.step, occasion, bytes)
        }
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

    mutating func ask(for target: Step, port: inout LoopPort) {
        captures.forgetRequested(except: target)
        for host in placement.map?.hosts ?? [] {
            if host == identity {
                handle(.captureRequested(version: target), port: &port)
                continue
            }
            if host.isCoordinators {
                pass(host, .capture(version: target))
                continue
            }
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
