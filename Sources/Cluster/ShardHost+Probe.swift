import LinearAlgebra
import ParameterServer
import ShardKernels
import Training
import Transport
import WireProtocol

/// Probe rounds, which are the hub's: frames that bear the mark of a probe, and the coordinator's orders.
extension ShardHost {
    mutating func attachToProbes(_ worker: WorkerID, _ round: Step, _ timeline: Timeline, port: inout LoopPort) {
        guard timeline == probe.timeline else { return }
        probe.subscribe(worker, from: round, into: &probeDirectives)
        carryOutProbe(port: &port)
    }

    mutating func takeProbe(_ header: FrameHeader, _ message: ReceivedMessage, from peer: WorkerID, port: inout LoopPort) throws {
        guard isHub else { throw RejectedFrame.misdirected(header.kind) }
        switch header.kind {
        case .attach: attachToProbes(peer, header.step, header.timeline, port: &port)
        case .parameterRequest:
            probe.request(peer, round: header.step, chunks: [header.chunk], into: &probeDirectives)
            carryOutProbe(port: &port)
        case .push, .statistics:
            // A round that is over, or a history that has ended, has its own shapes.
            guard let node = header.node, header.step == probe.round, header.timeline == probe.timeline,
                let expected = probe.expectedCount(of: header.chunk)
            else { return }
            let isScalars = plan.carriesScalars(header.chunk)
            guard header.count == expected, header.encoding == (isScalars ? .f64 : .f32), (header.kind == .statistics) == isScalars
            else { throw RejectedFrame.shape(count: header.count, expected: expected) }
            let name = PushName(timeline: header.timeline, step: header.step, chunk: header.chunk, node: node)
            if message.partCount < 2 {
                let nothing: [UInt8] = []
                unsafe probe.push(name, payload: nothing.span.bytes, into: &probeDirectives)
            } else {
                try message.withPart(1) { payload in
                    guard VectorKernels.checksum(payload) == header.payloadChecksum else {
                        throw RejectedFrame.checksum(header.kind)
                    }
                    probe.push(name, payload: payload, into: &probeDirectives)
                }
            }
            carryOutProbe(port: &port)
        case .parameters, .resendRequest, .snapshot, .shardRequest, .applied, .norms, .apply, .captureRequest, .captureMissed:
            throw RejectedFrame.misdirected(header.kind)
        }
    }

    /// An order of a history that has ended is void.
    mutating func carryOut(_ order: ProbeShardOrder, _ timeline: Timeline, port: inout LoopPort) {
        guard timeline == probe.timeline else { return }
        guard let state = probedState else { return }
        if let reply = probe.carryOut(order, state: state, into: &probeDirectives) {
            tell(.probed(reply, timeline: timeline))
        }
        carryOutProbe(port: &port)
    }

    private mutating func carryOutProbe(port: inout LoopPort) {
        for directive in probeDirectives {
            switch directive {
            case .publish(let chunk, let round, let readers): publishProbe(chunk, round, readers, port: &port)
            case .reply(let reply): tell(.probed(reply, timeline: probe.timeline))
            }
        }
        probeDirectives.removeAll(keepingCapacity: true)
    }

    private mutating func publishProbe(_ chunk: ChunkIndex, _ round: Step, _ readers: [WorkerID], port: inout LoopPort) {
        guard let task = probe.task else { return }
        if chunk == plan.chunks.statistics {
            let bits = task.encoded.map(\.bitPattern.littleEndian)
            return send(.f64, chunk, round, bits.count, unsafe bits.span.bytes, to: readers, port: &port)
        }
        let range = probe.publishedRange(of: chunk)
        let values = probe.published
        send(
            plan.carriesScalars(chunk) ? .f64 : .f32, chunk, round, range.count, unsafe values.span.extracting(range).bytes,
            to: readers, port: &port)
    }

    private mutating func send(
        _ encoding: FrameHeader.Encoding, _ chunk: ChunkIndex, _ round: Step, _ count: Int, _ payload: RawSpan,
        to readers: [WorkerID], port: inout LoopPort
    ) {
        let frame = FrameHeader(
            kind: .parameters, encoding: encoding, flags: .probe, timeline: probe.timeline, generation: Generation(rawValue: 0),
            step: round, chunk: chunk, count: count, sender: .coordinator, payloadChecksum: VectorKernels.checksum(payload)
        )
        for reader in readers { send(frame, payload, to: reader, port: &port) }
    }
}
