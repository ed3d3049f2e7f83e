import Foundation
import LinearAlgebra
import ParameterServer
import Synchronization
import Testing
import Transport
import WireProtocol

@testable import Cluster

@Suite("Frames that share a message")
struct FrameBatchTests {
    /// What arrived: a frame's chunk and payload, or what was wrong.
    final class Seen: Sendable {
        let frames = Mutex<[(chunk: UInt32, payload: [UInt8])]>([])
        let errors = Mutex<[String]>([])
        let messages = Mutex(0)
    }

    enum Item: Sendable {
        case frame(FrameHeader, [UInt8])
        case raw([UInt8], [UInt8])
    }

    /// Sends what is posted, by a batch, or as it is.
    struct Sender: SocketHandler {
        var batch = FrameBatch()

        mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {}

        mutating func posted(_ items: [Item], port: inout LoopPort) {
            for item in items {
                do {
                    switch item {
                    case .frame(let header, let payload):
                        batch.send(header, unsafe payload.span.bytes, to: .coordinator, port: &port)
                    case .raw(let headers, let payload):
                        try port.send(to: .coordinator, headers, payload: unsafe payload.span.bytes)
                    }
                } catch { Issue.record("\(error)") }
            }
        }

        mutating func settled(port: inout LoopPort) {
            for (peer, error) in batch.flush(port: &port) { Issue.record("\(peer): \(error)") }
        }
    }

    struct Receiver: SocketHandler {
        let seen: Seen

        mutating func posted(_ post: Int, port: inout LoopPort) {}

        mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
            seen.messages.withLock { $0 += 1 }
            do {
                var frames = try ReceivedFrames(message)
                while let header = try frames.next() {
                    do {
                        try header.checkPayload(byteCount: message.partCount > 1 ? message.byteCount(ofPart: 1) : 0)
                        let payload = message.partCount > 1 ? message.bytes(ofPart: 1) : []
                        seen.frames.withLock { $0.append((header.chunk.rawValue, payload)) }
                    } catch { seen.errors.withLock { $0.append("\(error)") } }
                }
            } catch { seen.errors.withLock { $0.append("\(error)") } }
        }
    }

    static let worker = WorkerID(rawValue: 0x7777_0000_0000_0001)

    static func header(_ chunk: Int, _ payload: [UInt8]) -> FrameHeader {
        FrameHeader(
            kind: .push, timeline: Timeline(rawValue: 1), generation: Generation(rawValue: 1), step: 1,
            chunk: ChunkIndex(rawValue: UInt32(chunk)), node: TreeNode(0, 1), count: payload.count / 4, sender: worker)
    }

    static func payload(_ count: Int, _ seed: Int) -> [UInt8] {
        (0..<4 * count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ seed) }
    }

    /// Sends the items in one turn, and waits until `done`.
    static func exchange(_ items: [Item], until done: (Seen) -> Bool) throws -> Seen {
        let (context, seen) = (try TransportContext(), Seen())
        let receiver = try SocketLoop(
            name: "receiver", context: context, role: .peer(bind: .loopback(), identity: .coordinator), limits: .data
        ) { Receiver(seen: seen) }
        let endpoint = receiver.boundEndpoint
        let sender = try SocketLoop(name: "sender", context: context, role: .peer(bind: nil, identity: worker), limits: .data) {
            Connecting(endpoint: endpoint)
        }
        try sender.post(items)
        #expect(Program.wait(30) { done(seen) })
        sender.stop()
        receiver.stop()
        try sender.join(deadline: .seconds(10))
        try receiver.join(deadline: .seconds(10))
        try context.close(deadline: .seconds(10))
        return seen
    }

    /// A sender that connects first.
    struct Connecting: SocketHandler {
        let endpoint: Endpoint
        var sender = Sender()

        init(endpoint: Endpoint) { self.endpoint = endpoint }

        mutating func started(port: inout LoopPort) {
            do { try port.await(.coordinator, at: endpoint) } catch { Issue.record("\(error)") }
        }
        mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {}
        mutating func posted(_ items: [Item], port: inout LoopPort) { sender.posted(items, port: &port) }
        mutating func settled(port: inout LoopPort) { sender.settled(port: &port) }
    }

    @Test("arrive whole and in their order, the large ones among the small ones")
    func order() throws {
        // Small, empty, large, many small ones that are more than one message may hold, and more frames than it may have.
        var payloads = [Self.payload(10, 1), [], Self.payload(20_000, 2), Self.payload(1, 3)]
        for index in 0..<60 { payloads.append(Self.payload(2000, index)) }
        payloads += Array(repeating: [], count: FrameBatch.framesMax + 10)
        let items = payloads.enumerated().map { Item.frame(Self.header($0, $1), $1) }
        let seen = try Self.exchange(items) { $0.frames.withLock { $0.count } >= payloads.count }
        #expect(seen.errors.withLock { $0 } == [])
        let frames = seen.frames.withLock { $0 }
        #expect(frames.map(\.chunk) == (0..<UInt32(payloads.count)).map { $0 })
        #expect(zip(frames, payloads).allSatisfy { $0.payload == $1 })
        let messages = seen.messages.withLock { $0 }
        #expect((5...8).contains(messages), "\(messages) messages for \(payloads.count) frames")
    }

    @Test("what does not fit is refused, and the next message is read")
    func damage() throws {
        let (a, b) = (Self.payload(4, 1), Self.payload(8, 2))
        let headers = Self.header(1, a).encoded() + Self.header(2, b).encoded()
        var damaged = headers
        damaged[70] ^= 1
        let items: [Item] = [
            .raw(headers, a + b + [0]), .raw(headers, Array((a + b).dropLast())), .raw(headers, Array(a.dropLast())),
            .raw(headers, []),
            .raw(damaged, a + b), .raw(Array(headers.dropLast()), a + b), .frame(Self.header(9, a), a),
        ]
        let seen = try Self.exchange(items) { $0.frames.withLock { $0.last?.chunk } == 9 }
        let frames = seen.frames.withLock { $0 }
        #expect(frames.allSatisfy { $0.chunk == 1 && $0.payload == a || $0.chunk == 9 }, "\(frames.map(\.chunk))")
        // The first frame is whole in the first two messages and in that whose second header is damaged.
        #expect(frames.count == 4)
        let errors = seen.errors.withLock { $0 }
        #expect(errors.count == 6, "\(errors)")
        #expect(errors.contains { $0.contains("a frame header has 127 bytes instead of 64") })
    }
}
