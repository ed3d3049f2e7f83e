import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import Training
import Transport
import WireProtocol

/// The shard that a worker may host.
extension WorkerData {
    /// Begins the shard of the present map, if this worker is one of its hosts, by asking the coordinator for its chunks.
    mutating func placeShard(port: inout LoopPort) {
        for (peer, header) in exchange.takePostponed() {
            exchange.note(header, from: peer)
            attach(peer, header)
        }
        guard let timeline = exchange.timeline, shard?.generation != exchange.generation || shard?.timeline != timeline else {
            return
        }
        shard = nil
        arrived.removeAll()
        let chunks = exchange.map.chunks(of: identity)
        guard !chunks.isEmpty else { return }
        shard = WorkerShard(plan: plan, chunks: chunks, timeline: timeline, generation: exchange.generation, memory: memory)
        waitingSince = MonotonicClock.now()
        requestShard(port: &port)
    }

    private mutating func requestShard(port: inout LoopPort) {
        guard let shard else { return }
        send(frame(.shardRequest, of: shard, step: 0), to: .coordinator, port: &port)
    }

    /// What may have been lost with a connection is asked for, or said, again.
    mutating func remindShard(port: inout LoopPort) {
        guard let shard else { return }
        if shard.isInstalled { shard.repeatReports() } else { requestShard(port: &port) }
        settle(port: &port)
    }

    private mutating func attach(_ peer: WorkerID, _ header: FrameHeader) {
        if header.timeline == shard?.timeline { shard?.handle(.subscribed(peer, fromVersion: header.step)) }
    }

    /// Takes a frame for the shard; one of another timeline, or while there is none, is void.
    mutating func takeForShard(_ header: FrameHeader, _ message: ReceivedMessage, from peer: WorkerID, port: inout LoopPort) throws
    {
        guard let shard, header.timeline == shard.timeline else { return }
        switch header.kind {
        case .attach: attach(peer, header)
        case .parameterRequest:
            shard.handle(.parametersRequested(peer, version: header.step, chunks: [header.chunk]))
        case .push:
            guard let node = header.node else { return }
            try checkChunk(header, isOf: shard)
            clock.pushed(by: peer, at: MonotonicClock.now())
            let name = PushName(timeline: header.timeline, step: header.step, chunk: header.chunk, node: node)
            if header.flags.contains(.shared) {
                let memory = exchange.memories[peer]
                let outbox = Int(header.section)
                // One that is not there any more is of a step that has been applied.
                if let value = memory?.gradient(header.chunk, header.step, header.timeline, outbox: outbox) {
                    shard.push(name, value)
                }
            } else {
                shard.push(name, try checkedPayload(header, message))
            }
        case .snapshot:
            guard peer == .coordinator else { throw RejectedFrame.misdirected(header.kind) }
            guard header.generation == shard.generation else { return }
            guard header.step <= plan.experiment.training.steps else {
                throw RejectedFrame.unexpected("a section is of version \(header.step), and the run has fewer")
            }
            waitingSince = MonotonicClock.now()
            try checkChunk(header, isOf: shard)
            let payload = try checkedPayload(header, message)
            shard.install(Int(header.section), of: header.chunk, version: header.step, payload.bytes(0..<payload.count))
        case .apply:
            guard peer == .coordinator else { throw RejectedFrame.misdirected(header.kind) }
            guard header.encoding == .f64, header.count == 1 else { throw RejectedFrame.shape(count: header.count, expected: 1) }
            let scale = try message.withPart(1) { payload in
                guard VectorKernels.checksum(payload) == header.payloadChecksum else { throw RejectedFrame.checksum(header.kind) }
                return ShardHost.doubles(payload)[0]
            }
            shard.allow(step: header.step, clipScale: scale)
        case .captureRequest:
            guard peer == .coordinator else { throw RejectedFrame.misdirected(header.kind) }
            shard.handle(.captureRequested(version: header.step))
        case .parameters, .statistics, .resendRequest, .shardRequest, .applied, .norms, .captureMissed:
            throw RejectedFrame.misdirected(header.kind)
        }
    }

    private func checkChunk(_ header: FrameHeader, isOf shard: WorkerShard) throws {
        guard Int(header.chunk.rawValue) < plan.chunks.chunks.count, shard.hosts(header.chunk) else {
            throw RejectedFrame.unknownChunk(header.chunk.rawValue)
        }
        let expected = plan.chunks.chunks[Int(header.chunk.rawValue)].range.count
        guard header.encoding == .f32, header.count == expected,
            header.kind != .snapshot || Int(header.section) < shard.store.sectionCount
        else {
            throw RejectedFrame.shape(count: header.count, expected: expected)
        }
    }

    private func checkedPayload(_ header: FrameHeader, _ message: ReceivedMessage) throws -> BorrowedFloats {
        let payload = message.borrowedFloats(ofPart: 1)
        guard VectorKernels.checksum(payload.bytes(0..<payload.count)) == header.payloadChecksum else {
            throw RejectedFrame.checksum(header.kind)
        }
        return payload
    }

    /// Does what the shard wants done.
    mutating func carryOutShard(port: inout LoopPort) {
        guard let shard, !shard.effects.isEmpty else { return }
        clock.optimized(shard.takeApplyTime())
        for effect in shard.effects {
            switch effect {
            case .publish(let chunk, let version, let readers): publish(chunk, version, readers, port: &port)
            case .applied(let version): send(frame(.applied, of: shard, step: version), to: .coordinator, port: &port)
            case .norms(let step, let isHeld, let values):
                send(frame(.norms, of: shard, step: step, isHeld ? .held : []), values, to: .coordinator, port: &port)
            case .capture(let chunk, let version, let occasion): send(chunk, version, occasion, of: shard, port: &port)
            case .captureMissed(let target, let foremost):
                send(frame(.captureMissed, of: shard, step: target), [Double(foremost)], to: .coordinator, port: &port)
            }
        }
        shard.effects.removeAll(keepingCapacity: true)
    }

    private mutating func publish(_ chunk: ChunkIndex, _ version: Step, _ readers: [WorkerID], port: inout LoopPort) {
        guard let shard else { return }
        let range = plan.chunks.chunks[Int(chunk.rawValue)].range
        let memory = versions[version]
        var checksum: UInt32?
        for reader in readers {
            if reader == identity {
                arrived.append((chunk, version))
                continue
            }
            var header = FrameHeader(
                kind: .parameters, flags: exchange.flags(to: reader), timeline: shard.timeline, generation: shard.generation,
                step: version, chunk: chunk, count: range.count, sender: identity)
            if exchange.isReader(reader) {
                header.flags.insert(.shared)
                send(header, to: reader, port: &port)
                continue
            }
            let sum = checksum ?? (unsafe VectorKernels.checksum(memory.floats(range).bytes))
            checksum = sum
            header.payloadChecksum = sum
            send(header, memory, range, to: reader, port: &port)
        }
    }

    /// Sections are copied: the chunk goes on while they travel.
    private mutating func send(
        _ chunk: ChunkIndex, _ version: Step, _ occasion: CaptureOccasion, of shard: WorkerShard, port: inout LoopPort
    ) {
        var flags: FrameHeader.Flags = []
        if occasion == .requested { flags.insert(.requested) }
        if occasion == .probed { flags.insert(.probed) }
        for section in 0..<(occasion.isComplete ? shard.store.sectionCount : 1) {
            let values = shard.store.section(section, of: chunk)
            let payload = values.bytes(0..<values.count)
            send(
                FrameHeader(
                    kind: .snapshot, flags: flags, section: UInt16(section), timeline: shard.timeline, generation: shard.generation,
                    step: version, chunk: chunk, count: values.count, sender: identity,
                    payloadChecksum: VectorKernels.checksum(payload)),
                payload, to: .coordinator, port: &port)
        }
    }

    private func frame(_ kind: FrameHeader.Kind, of shard: WorkerShard, step: Step, _ flags: FrameHeader.Flags = []) -> FrameHeader
    {
        FrameHeader(kind: kind, flags: flags, timeline: shard.timeline, generation: shard.generation, step: step, sender: identity)
    }
}
