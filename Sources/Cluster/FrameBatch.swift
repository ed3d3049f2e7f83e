import LinearAlgebra
import ParameterServer
import Transport
import WireProtocol

/// The frames that a loop sends: small ones wait to leave together, one message for each peer and turn of the loop; a large one is read
/// where it lies, and leaves when there is room on the way to its peer, what is needed first before the rest.
///
/// A message wakes two threads of the system on either side, so what is small costs what its message costs. Small frames of one peer keep
/// their order, and do not pass a large one that has left. Belongs to the loop's thread.
struct FrameBatch {
    private struct Waiting {
        var peer: WorkerID
        var headers: [UInt8] = []
        var payloads: [UInt8] = []
    }

    /// A frame whose payload lies in memory of this process.
    private struct Lying {
        let frame: FrameHeader
        let memory: FloatMemory
        let range: Range<Int>
    }

    /// The way to a peer for large frames.
    private struct Way {
        let peer: WorkerID
        let line: SendLine
        var queue = SendQueue<Lying>()
    }

    private var waiting: [Waiting] = []
    private var ways: [Way] = []
    private var header: [UInt8] = []
    private var failures: [(peer: WorkerID, error: any Error)] = []
    /// A message has at most so many frames.
    static let framesMax = 1024
    /// Payloads of a message of several frames, in bytes.
    static let payloadBytesMax = 256 << 10
    /// Bytes of large frames that libzmq may hold for one peer: a frame that leaves and the next one. What the system's own buffer holds
    /// comes on top.
    private static let underwayBytesMax = 2 << 20

    /// Sends a frame whose payload is copied.
    mutating func send(_ frame: FrameHeader, _ payload: RawSpan, to peer: WorkerID, port: inout LoopPort) {
        frame.encode(into: &header)
        guard payload.byteCount < LoopPort.sharedBytesMin else {
            flush(peer, port: &port)
            do { try port.send(to: peer, header, payload: payload) } catch { failures.append((peer, error)) }
            return
        }
        let place = place(for: peer, payload.byteCount, port: &port)
        waiting[place].headers.append(contentsOf: header)
        unsafe payload.withUnsafeBytes { unsafe waiting[place].payloads.append(contentsOf: $0) }
    }

    /// Sends a frame without a payload.
    mutating func send(_ frame: FrameHeader, to peer: WorkerID, port: inout LoopPort) {
        let nothing: [UInt8] = []
        unsafe send(frame, nothing.span.bytes, to: peer, port: &port)
    }

    /// Sends a frame whose payload, if it is large, is read in `memory` itself until it has left.
    mutating func send(_ frame: FrameHeader, _ memory: FloatMemory, _ range: Range<Int>, to peer: WorkerID, port: inout LoopPort) {
        guard range.count * 4 >= LoopPort.sharedBytesMin else {
            return send(frame, unsafe memory.floats(range).bytes, to: peer, port: &port)
        }
        let isGradient = frame.kind == .push
        let way = way(to: peer, port)
        ways[way].queue.add(
            Lying(frame: frame, memory: memory, range: range),
            .init(version: isGradient ? frame.step + 1 : frame.step, isGradient: isGradient, chunk: frame.chunk))
        release(way, port: &port)
    }

    private mutating func way(to peer: WorkerID, _ port: borrowing LoopPort) -> Int {
        if let way = ways.firstIndex(where: { $0.peer == peer }) { return way }
        ways.append(Way(peer: peer, line: port.makeLine()))
        return ways.count - 1
    }

    /// Sends what there is room for.
    private mutating func release(_ way: Int, port: inout LoopPort) {
        let peer = ways[way].peer
        while let next = ways[way].queue.first, ways[way].line.hasRoom(for: next.frame.sentBytes, within: Self.underwayBytesMax) {
            _ = ways[way].queue.removeFirst()
            next.frame.encode(into: &header)
            flush(peer, port: &port)
            let (line, bytes) = (ways[way].line, next.range.lowerBound * 4..<next.range.upperBound * 4)
            let buffer = unsafe next.memory.withUnsafeBytes {
                unsafe PayloadBuffer(reading: UnsafeRawBufferPointer(rebasing: $0[bytes]), of: next.memory, line: line)
            }
            do { try port.send(to: peer, header, payload: buffer, range: 0..<bytes.count) } catch { failures.append((peer, error)) }
        }
    }

    /// Where frames for `peer` wait, with room for one more.
    private mutating func place(for peer: WorkerID, _ byteCount: Int, port: inout LoopPort) -> Int {
        guard let place = waiting.firstIndex(where: { $0.peer == peer }) else {
            waiting.append(Waiting(peer: peer))
            return waiting.count - 1
        }
        let isFull = waiting[place].headers.count >= Self.framesMax * FrameHeader.byteCount
        if isFull || waiting[place].payloads.count + byteCount > Self.payloadBytesMax { flush(place, port: &port) }
        return place
    }

    /// Sends what waits for everybody and has room; returns what could not be sent since the last time.
    mutating func flush(port: inout LoopPort) -> [(peer: WorkerID, error: any Error)] {
        for way in ways.indices { release(way, port: &port) }
        for place in waiting.indices { flush(place, port: &port) }
        if failures.isEmpty { return [] }
        defer { failures.removeAll() }
        return failures
    }

    private mutating func flush(_ peer: WorkerID, port: inout LoopPort) {
        if let place = waiting.firstIndex(where: { $0.peer == peer }) { flush(place, port: &port) }
    }

    private mutating func flush(_ place: Int, port: inout LoopPort) {
        if waiting[place].headers.isEmpty { return }
        // Taken out while they are sent, so that their memory is used again without a copy.
        var frames = Waiting(peer: waiting[place].peer)
        swap(&frames, &waiting[place])
        do { try port.send(to: frames.peer, frames.headers, payload: unsafe frames.payloads.span.bytes) } catch {
            failures.append((frames.peer, error))
        }
        frames.headers.removeAll(keepingCapacity: true)
        frames.payloads.removeAll(keepingCapacity: true)
        swap(&frames, &waiting[place])
    }

    /// Forgets a peer that is gone.
    mutating func forget(_ peer: WorkerID) {
        waiting.removeAll { $0.peer == peer }
        ways.removeAll { $0.peer == peer }
    }

    /// Large frames of timelines before `timeline` need not be sent any more.
    mutating func begin(_ timeline: Timeline) {
        for way in ways.indices { ways[way].queue.removeAll { $0.frame.timeline < timeline } }
    }
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
