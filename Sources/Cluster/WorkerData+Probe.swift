import LinearAlgebra
import ParameterServer
import ShardKernels
import Training
import Transport
import WireProtocol

/// Probe rounds, whose shard is the coordinator's wherever the parameters live.
extension WorkerData {
    mutating func takeProbe(_ header: FrameHeader, _ message: ReceivedMessage, port: inout LoopPort) throws {
        guard header.kind == .parameters, message.peer == .coordinator else { throw RejectedFrame.misdirected(header.kind) }
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

    mutating func carryOutProbe(port: inout LoopPort) {
        if probeDirectives.isEmpty { return }
        let todo = probeDirectives
        probeDirectives.removeAll(keepingCapacity: true)
        for directive in todo {
            switch directive {
            case .subscribe(let round, let timeline): askProbe(.attach, round, nil, timeline, port: &port)
            case .compute(let order):
                outlets.lane(
                    LaneWork(
                        timeline: machine.currentTimeline ?? Timeline(rawValue: 0), step: order.round, node: order.node,
                        parameters: versions[order.task.version], probe: order))
                failpoint?.reach(.probe, order.task.version)
            case .push(_, let node, let timeline):
                guard let result = finishedProbes.removeValue(forKey: node) else { continue }
                push(result, timeline, port: &port)
            case .release(_, let node): finishedProbes[node] = nil
            case .request(let round, let chunks, let timeline):
                for chunk in chunks { askProbe(.parameterRequest, round, chunk, timeline, port: &port) }
            }
        }
    }

    /// Sends every chunk and the scalars. What was evaluated without a vector goes out with empty chunks.
    private mutating func push(_ result: NodeProduct, _ timeline: Timeline, port: inout LoopPort) {
        for chunk in plan.chunks.chunks {
            let range = result.product.count == 0 ? 0..<0 : chunk.range
            let payload = unsafe result.product.span.extracting(range).bytes
            send(
                FrameHeader(
                    kind: .push, flags: .probe, timeline: timeline, generation: Generation(rawValue: 0), step: result.round,
                    chunk: chunk.index, node: result.node, count: range.count, sender: identity,
                    payloadChecksum: VectorKernels.checksum(payload)),
                payload, to: .coordinator, port: &port)
        }
        for chunk in probeFrames where plan.carriesScalars(chunk) {
            let scalars = Array(result.scalars[plan.scalars(of: chunk, count: result.scalars.count)])
            pushScalars(scalars, of: result.node, at: result.round, to: chunk, flags: .probe, timeline, port: &port)
        }
    }

    private mutating func askProbe(
        _ kind: FrameHeader.Kind, _ round: Step, _ chunk: ChunkIndex?, _ timeline: Timeline, port: inout LoopPort
    ) {
        send(
            FrameHeader(
                kind: kind, flags: .probe, timeline: timeline, generation: Generation(rawValue: 0), step: round,
                chunk: chunk ?? ChunkIndex(rawValue: 0), sender: identity), to: .coordinator, port: &port)
    }
}
