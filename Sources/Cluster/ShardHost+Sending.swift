import LinearAlgebra
import ParameterServer
import ShardKernels
import Training
import Transport
import WireProtocol

/// What leaves the shard host.
extension ShardHost {
    mutating func publish(_ chunk: ChunkIndex, _ version: Step, _ targets: [WorkerID], port: inout LoopPort) {
        let isStatistics = chunk == plan.chunks.statistics
        let range = isStatistics ? 0..<0 : plan.chunks.chunks[Int(chunk.rawValue)].range
        let memory = store?.versions[version] ?? nothing
        var checksum: UInt32?
        var frame = FrameHeader(
            kind: .parameters, timeline: machine.timeline, generation: Generation(rawValue: 0), step: version, chunk: chunk,
            count: range.count, sender: identity)
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
            batch.send(frame, memory, range, to: reader, port: &port)
        }
    }

    private func checksum(_ chunk: ChunkIndex, _ version: Step, _ values: Span<Float>) -> UInt32 {
        if let fresh, fresh.chunk == chunk, fresh.version == version { return fresh.checksum }
        return VectorKernels.checksum(unsafe values.bytes)
    }

    /// Sends a frame; small ones leave together at the turn's end, in their order.
    mutating func send(_ frame: FrameHeader, _ payload: RawSpan, to peer: WorkerID, port: inout LoopPort) {
        batch.send(frame, payload, to: peer, port: &port)
    }

    /// A frame without a payload.
    mutating func send(_ frame: FrameHeader, to peer: WorkerID, port: inout LoopPort) { batch.send(frame, to: peer, port: &port) }

    mutating func flush(port: inout LoopPort) {
        for (peer, error) in batch.flush(port: &port) { tell(.unreachable(peer, reason: "\(error)")) }
    }
}
