import LinearAlgebra
import ParameterServer
import Transport
import WireProtocol

/// The frames that a loop sends: small ones wait to leave together, one message for each peer and turn of the loop; a large one leaves at
/// once, and is read where it lies.
///
/// A message wakes two threads of the system on either side, so what is small costs what its message costs. Frames of one peer keep their
/// order. Belongs to the loop's thread.
struct FrameBatch {
    private struct Waiting {
        var peer: WorkerID
        var headers: [UInt8] = []
        var payloads: [UInt8] = []
    }

    private var waiting: [Waiting] = []
    private var header: [UInt8] = []
    /// A message has at most so many frames.
    static let framesMax = 1024
    /// Payloads of a message of several frames, in bytes.
    static let payloadBytesMax = 256 << 10

    /// Sends a frame whose payload is copied.
    mutating func send(_ frame: FrameHeader, _ payload: RawSpan, to peer: WorkerID, port: inout LoopPort) throws {
        frame.encode(into: &header)
        guard payload.byteCount < LoopPort.sharedBytesMin else {
            try flush(peer, port: &port)
            return try port.send(to: peer, header, payload: payload)
        }
        let place = try place(for: peer, payload.byteCount, port: &port)
        waiting[place].headers.append(contentsOf: header)
        unsafe payload.withUnsafeBytes { unsafe waiting[place].payloads.append(contentsOf: $0) }
    }

    /// Sends a frame whose payload, if it is large, is read in `memory` itself until it has left.
    mutating func send(_ frame: FrameHeader, _ memory: FloatMemory, _ range: Range<Int>, to peer: WorkerID, port: inout LoopPort)
        throws
    {
        guard range.count * 4 >= LoopPort.sharedBytesMin else {
            return try send(frame, unsafe memory.floats(range).bytes, to: peer, port: &port)
        }
        frame.encode(into: &header)
        try flush(peer, port: &port)
        let buffer = unsafe memory.withUnsafeBytes { unsafe PayloadBuffer(reading: $0, of: memory) }
        try port.send(to: peer, header, payload: buffer, range: range.lowerBound * 4..<range.upperBound * 4)
    }

    /// Where frames for `peer` wait, with room for one more.
    private mutating func place(for peer: WorkerID, _ byteCount: Int, port: inout LoopPort) throws -> Int {
        guard let place = waiting.firstIndex(where: { $0.peer == peer }) else {
            waiting.append(Waiting(peer: peer))
            return waiting.count - 1
        }
        let isFull = waiting[place].headers.count >= Self.framesMax * FrameHeader.byteCount
        if isFull || waiting[place].payloads.count + byteCount > Self.payloadBytesMax { try flush(place, port: &port) }
        return place
    }

    /// Sends what waits for everybody; `failed` is told of what could not be sent.
    mutating func flush(port: inout LoopPort, failed: (WorkerID, any Error) -> Void) {
        for place in waiting.indices {
            do { try flush(place, port: &port) } catch { failed(waiting[place].peer, error) }
        }
    }

    private mutating func flush(_ peer: WorkerID, port: inout LoopPort) throws {
        if let place = waiting.firstIndex(where: { $0.peer == peer }) { try flush(place, port: &port) }
    }

    private mutating func flush(_ place: Int, port: inout LoopPort) throws {
        if waiting[place].headers.isEmpty { return }
        // Taken out while they are sent, so that their memory is used again without a copy.
        var frames = Waiting(peer: waiting[place].peer)
        swap(&frames, &waiting[place])
        defer {
            frames.headers.removeAll(keepingCapacity: true)
            frames.payloads.removeAll(keepingCapacity: true)
            swap(&frames, &waiting[place])
        }
        try port.send(to: frames.peer, frames.headers, payload: unsafe frames.payloads.span.bytes)
    }

    /// Forgets a peer that is gone.
    mutating func forget(_ peer: WorkerID) { waiting.removeAll { $0.peer == peer } }
}

/// The frames of a message, one after the other: headers in its first part, their payloads in its second.
struct ReceivedFrames {
    private let message: ReceivedMessage
    private let count: Int
    private var index = 0
    private var offset = 0

    /// - Throws: `FrameError` when the first part is not made of headers.
    init(_ message: ReceivedMessage) throws(FrameError) {
        let bytes = message.byteCount(ofPart: 0)
        let whole = bytes.isMultiple(of: FrameHeader.byteCount) ? bytes / FrameHeader.byteCount : 0
        // A single header of another length is told apart by its decoder.
        guard whole <= FrameBatch.framesMax, whole > 0 || bytes <= FrameHeader.byteCount else { throw .headerLength(bytes) }
        (self.message, count) = (message, max(1, whole))
    }

    /// The next frame's header; the message is narrowed to its payload. nil after the last.
    ///
    /// - Throws: `FrameError`; what follows a header that cannot be read is lost with it, for nobody knows where it begins.
    mutating func next() throws(FrameError) -> FrameHeader? {
        guard index < count else { return nil }
        let start = index * FrameHeader.byteCount
        index += 1
        let header = try message.withPart(0) { bytes throws(FrameError) in
            try FrameHeader.decode(count == 1 ? bytes : bytes.extracting(start..<start + FrameHeader.byteCount))
        }
        guard message.partCount > 1 || count > 1 else { return header }
        // The last frame has all that is left: whether that fits is for the header's own check.
        let received = message.partCount > 1 ? message.wholeByteCount(ofPart: 1) : 0
        let end = index == count ? received : offset + header.sentBytes
        guard end <= received else { throw .payloadLength(stated: header.sentBytes, received: received - offset) }
        if message.partCount > 1 { message.narrow(part: 1, to: offset..<end) }
        offset = end
        return header
    }
}
