import ParameterServer
import Transport
import WireProtocol

/// Frames without payloads that wait to leave together: one message for each peer and turn of the loop instead of one for each chunk.
///
/// Frames of one peer keep their order, also beside those that leave at once. Belongs to the loop's thread.
struct FrameBatch {
    private struct Waiting {
        var peer: WorkerID
        var bytes: [UInt8] = []
    }

    private var waiting: [Waiting] = []
    private var header: [UInt8] = []
    /// A message has at most so many frames.
    static let framesMax = 1024
    private static let bytesMax = framesMax * FrameHeader.byteCount

    /// Adds a frame for `peer`.
    mutating func add(_ frame: FrameHeader, to peer: WorkerID) {
        let place: Int
        if let known = waiting.firstIndex(where: { $0.peer == peer }) {
            place = known
        } else {
            waiting.append(Waiting(peer: peer))
            place = waiting.count - 1
        }
        frame.encode(into: &header)
        waiting[place].bytes.append(contentsOf: header)
    }

    /// Whether something for `peer` has to leave before the next frame.
    func isWaiting(for peer: WorkerID) -> Bool { waiting.contains { $0.peer == peer && !$0.bytes.isEmpty } }

    /// Sends what waits for `peer`, or for everybody; `failed` is told of what could not be sent.
    mutating func flush(_ peer: WorkerID? = nil, port: inout LoopPort, failed: (WorkerID, any Error) -> Void) {
        for place in waiting.indices where !waiting[place].bytes.isEmpty && peer.map({ $0 == waiting[place].peer }) ?? true {
            let (peer, bytes) = (waiting[place].peer, waiting[place].bytes)
            do {
                if bytes.count <= Self.bytesMax {
                    try port.send(to: peer, bytes)
                } else {
                    for start in stride(from: 0, to: bytes.count, by: Self.bytesMax) {
                        try port.send(to: peer, Array(bytes[start..<min(start + Self.bytesMax, bytes.count)]))
                    }
                }
            } catch { failed(peer, error) }
            waiting[place].bytes.removeAll(keepingCapacity: true)
        }
    }

    /// Forgets a peer that is gone.
    mutating func forget(_ peer: WorkerID) { waiting.removeAll { $0.peer == peer } }

    /// The frames of a message: several headers, or one and its payload.
    static func headers(of message: ReceivedMessage) throws -> Int {
        let bytes = message.byteCount(ofPart: 0)
        guard bytes > FrameHeader.byteCount, message.partCount == 1 else { return 1 }
        guard bytes.isMultiple(of: FrameHeader.byteCount), bytes / FrameHeader.byteCount <= framesMax else {
            throw FrameError.headerLength(bytes)
        }
        return bytes / FrameHeader.byteCount
    }

    /// The header of the frame at `index`.
    static func header(_ index: Int, of count: Int, in message: ReceivedMessage) throws -> FrameHeader {
        try message.withPart(0) { bytes throws(FrameError) in
            if count == 1 { return try FrameHeader.decode(bytes) }
            return try FrameHeader.decode(bytes.extracting(index * FrameHeader.byteCount..<(index + 1) * FrameHeader.byteCount))
        }
    }
}
