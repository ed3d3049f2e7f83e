import LinearAlgebra
import ParameterServer
import ShardKernels
import Training
import Transport
import WireProtocol

/// What leaves a worker; what is for its own shard does not.
extension WorkerData {
    /// Hands one chunk of a gradient to its host, which reads it where it lies.
    mutating func push(_ name: PushName, _ gradient: FloatMemory, port: inout LoopPort) {
        let range = plan.chunks.chunks[Int(name.chunk.rawValue)].range
        let host = exchange.host(of: name.chunk)
        if host == identity {
            if name.timeline == shard?.timeline { shard?.push(name, gradient.borrowed(range)) }
            return
        }
        var frame = FrameHeader(
            kind: .push, flags: exchange.flags(to: host), timeline: name.timeline, generation: Generation(rawValue: 0),
            step: name.step, chunk: name.chunk, node: name.node, count: range.count, sender: identity)
        if exchange.isReader(host), let outbox = outbox(for: name.node) {
            memory.post(gradient, name.chunk, name.step, name.timeline, outbox: outbox)
            frame.flags.insert(.shared)
            frame.section = UInt16(outbox)
            return send(frame, to: host, port: &port)
        }
        frame.payloadChecksum = unsafe VectorKernels.checksum(gradient.floats(range).bytes)
        send(frame, gradient, range, to: host, port: &port)
    }

    /// A node keeps its outbox for as long as its step: what is pushed again is the same.
    private mutating func outbox(for node: TreeNode) -> Int? {
        if let outbox = nodeOutboxes[node] { return outbox }
        guard nodeOutboxes.count < memory.outboxCount else { return nil }
        let outbox = nodeOutboxes.count
        nodeOutboxes[node] = outbox
        return outbox
    }

    mutating func pushScalars(
        _ scalars: [Double], of node: TreeNode, at step: Step, to chunk: ChunkIndex, flags: FrameHeader.Flags = [],
        _ timeline: Timeline, port: inout LoopPort
    ) {
        let frame = FrameHeader(
            kind: .statistics, flags: flags, timeline: timeline, generation: Generation(rawValue: 0), step: step, chunk: chunk,
            node: node, sender: identity)
        send(frame, scalars, to: .coordinator, port: &port)
    }

    /// A frame without a payload.
    mutating func send(
        _ kind: FrameHeader.Kind, _ timeline: Timeline, _ step: Step, _ chunk: ChunkIndex = ChunkIndex(rawValue: 0),
        to host: WorkerID, port: inout LoopPort
    ) {
        if host == identity {
            guard timeline == shard?.timeline else { return }
            if kind == .attach { shard?.handle(.subscribed(identity, fromVersion: step)) }
            if kind == .parameterRequest { shard?.handle(.parametersRequested(identity, version: step, chunks: [chunk])) }
            return
        }
        send(
            FrameHeader(
                kind: kind, flags: exchange.flags(to: host), timeline: timeline, generation: Generation(rawValue: 0), step: step,
                chunk: chunk, sender: identity),
            to: host, port: &port)
    }

    mutating func send(_ frame: FrameHeader, to host: WorkerID, port: inout LoopPort) { batch.send(frame, to: host, port: &port) }

    /// Sends the frames that wait to leave together.
    mutating func flush(port: inout LoopPort) {
        for (peer, error) in batch.flush(port: &port) { reject("frames for \(peer) were not sent: \(error)") }
    }

    /// A frame of float64 numbers.
    mutating func send(_ frame: FrameHeader, _ values: [Double], to host: WorkerID, port: inout LoopPort) {
        let bits = values.map(\.bitPattern.littleEndian)
        let payload = unsafe bits.span.bytes
        var frame = frame
        (frame.encoding, frame.count, frame.payloadChecksum) = (.f64, bits.count, VectorKernels.checksum(payload))
        send(frame, payload, to: host, port: &port)
    }

    mutating func send(_ frame: FrameHeader, _ payload: RawSpan, to host: WorkerID, port: inout LoopPort) {
        batch.send(frame, payload, to: host, port: &port)
    }

    /// A frame whose payload, if it is large, is read in `memory` itself until it has left.
    mutating func send(_ frame: FrameHeader, _ memory: FloatMemory, _ range: Range<Int>, to host: WorkerID, port: inout LoopPort) {
        batch.send(frame, memory, range, to: host, port: &port)
    }
}

extension ReceivedMessage {
    /// The float32 of a part, kept where they arrived.
    func borrowedFloats(ofPart index: Int) -> BorrowedFloats {
        unsafe withUnsafePart(index) { unsafe BorrowedFloats($0, of: self) }
    }
}
