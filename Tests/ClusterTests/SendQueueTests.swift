import LinearAlgebra
import ParameterServer
import Synchronization
import Testing
import Transport
import WireProtocol

@testable import Cluster

@Suite("What goes first")
struct SendQueueTests {
    typealias Queue = SendQueue<String>

    private func priority(_ version: Step, _ chunk: UInt32, gradient: Bool) -> Queue.Priority {
        .init(version: version, isGradient: gradient, chunk: ChunkIndex(rawValue: chunk))
    }

    private func drained(_ queue: inout Queue) -> [String] {
        var order: [String] = []
        while let next = queue.removeFirst() { order.append(next) }
        return order
    }

    @Test("earlier versions, then gradients, then lower chunks; equals in the order of their coming")
    func order() {
        var queue = Queue()
        queue.add("p7", priority(4, 7, gradient: false))
        queue.add("g9", priority(4, 9, gradient: true))
        queue.add("g2", priority(4, 2, gradient: true))
        queue.add("next g0", priority(5, 0, gradient: true))
        queue.add("p1", priority(4, 1, gradient: false))
        queue.add("g2, another node", priority(4, 2, gradient: true))
        queue.add("g5", priority(4, 5, gradient: true))
        #expect(queue.first == "g2")
        #expect(queue.count == 7)
        let order = drained(&queue)
        #expect(order == ["g2", "g2, another node", "g5", "g9", "p1", "p7", "next g0"])
        #expect(queue.isEmpty && queue.first == nil)
    }

    @Test("against sorting, whatever the order of coming")
    func sorted() {
        var state: UInt64 = 7
        func random(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        for _ in 0..<200 {
            var queue = SendQueue<(SendQueue<Int>.Priority, Int)>()
            var all: [(SendQueue<Int>.Priority, Int)] = []
            for index in 0..<Int(random(40)) {
                let (version, chunk) = (Step(random(3)), ChunkIndex(rawValue: UInt32(random(10))))
                queue.add(
                    (.init(version: version, isGradient: true, chunk: chunk), index),
                    .init(version: version, isGradient: true, chunk: chunk))
                all.append((.init(version: version, isGradient: true, chunk: chunk), index))
            }
            all.sort { ($0.0, $0.1) < ($1.0, $1.1) }
            for item in all {
                let next = queue.removeFirst()
                #expect(next?.1 == item.1)
            }
        }
    }

    @Test("a chunk's later version takes an earlier one's place; gradients are all kept")
    func replacement() {
        var queue = Queue()
        queue.add("version 4 of 3", priority(4, 3, gradient: false))
        queue.add("version 4 of 6", priority(4, 6, gradient: false))
        queue.add("gradient for 4 of 3", priority(4, 3, gradient: true))
        queue.add("version 5 of 3", priority(5, 3, gradient: false))
        queue.add("gradient for 5 of 3", priority(5, 3, gradient: true))
        // One that comes late does not take a later one's place.
        queue.add("version 4 of 3, asked for", priority(4, 3, gradient: false))
        let order = drained(&queue)
        #expect(
            order == [
                "gradient for 4 of 3", "version 4 of 3, asked for", "version 4 of 6", "gradient for 5 of 3", "version 5 of 3",
            ])
    }

    @Test("what is void is dropped")
    func void() {
        var queue = Queue()
        for chunk in 0..<6 as Range<UInt32> { queue.add("\(chunk)", priority(1, chunk, gradient: true)) }
        queue.removeAll { $0 == "0" || $0 == "4" }
        let order = drained(&queue)
        #expect(order == ["1", "2", "3", "5"])
    }
}

@Suite("Large frames on their way")
struct LargeFramesTests {
    private static let elements = 1 << 18
    private static let chunks = 12
    private static let worker = WorkerID(rawValue: 0x7777_0000_0000_0002)

    /// Sends all chunks from the last to the first in one turn, to a peer that connects when it likes.
    private struct Sender: SocketHandler {
        var batch = FrameBatch()
        let memory: FloatMemory

        init() {
            memory = FloatMemory(count: elements * chunks)
            for chunk in 0..<chunks {
                var values = memory.mutableFloats(chunk * elements..<(chunk + 1) * elements)
                for index in 0..<elements { values[index] = Float(chunk) }
            }
        }

        mutating func started(port: inout LoopPort) {
            do { try port.await(.coordinator, at: nil) } catch { Issue.record("\(error)") }
        }

        mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {}

        mutating func posted(_ timeline: UInt32, port: inout LoopPort) {
            batch.begin(Timeline(rawValue: timeline))
            for chunk in (0..<chunks).reversed() {
                let frame = FrameHeader(
                    kind: .push, timeline: Timeline(rawValue: timeline), generation: Generation(rawValue: 1), step: 3,
                    chunk: ChunkIndex(rawValue: UInt32(chunk)), node: TreeNode(0, 1), count: elements, sender: worker)
                batch.send(frame, memory, chunk * elements..<(chunk + 1) * elements, to: .coordinator, port: &port)
            }
        }

        mutating func settled(port: inout LoopPort) {
            for (peer, error) in batch.flush(port: &port) { Issue.record("\(peer): \(error)") }
        }
    }

    private struct Arrived: Equatable {
        var timeline: UInt32
        var chunk: UInt32
    }

    private struct Receiver: SocketHandler {
        let endpoint: Endpoint
        let arrived: Arrivals

        mutating func started(port: inout LoopPort) {
            do { try port.await(worker, at: endpoint) } catch { Issue.record("\(error)") }
        }

        mutating func posted(_ post: Int, port: inout LoopPort) {}

        mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
            do {
                var frames = try ReceivedFrames(message)
                while let header = try frames.next() {
                    let (payload, value) = (message.bytes(ofPart: 1), Float(header.chunk.rawValue))
                    let expected = (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
                    #expect(
                        payload.count == 4 * elements && payload.prefix(4) == expected[...] && payload.suffix(4) == expected[...])
                    arrived.list.withLock { $0.append(.init(timeline: header.timeline.rawValue, chunk: header.chunk.rawValue)) }
                }
            } catch { Issue.record("\(error)") }
        }
    }

    private final class Arrivals: Sendable { let list = Mutex<[Arrived]>([]) }

    /// Sends the chunks on each of `timelines`, then lets the peer connect.
    private func exchange(_ timelines: [UInt32], count: Int) throws -> [Arrived] {
        let (context, arrived) = (try TransportContext(), Arrivals())
        let sender = try SocketLoop(
            name: "sender", context: context, role: .peer(bind: .loopback(), identity: Self.worker), limits: .data
        ) { Sender() }
        for timeline in timelines { try sender.post(timeline) }
        // The sender's turns are over once it has nothing more to do but to wait.
        #expect(Program.wait(30) { sender.statistics.pendingBytes >= 2 * 4 * Self.elements })
        let endpoint = sender.boundEndpoint
        let receiver = try SocketLoop(
            name: "receiver", context: context, role: .peer(bind: nil, identity: .coordinator), limits: .data
        ) { Receiver(endpoint: endpoint, arrived: arrived) }
        #expect(Program.wait(30) { arrived.list.withLock { $0.count } >= count })
        sender.stop()
        receiver.stop()
        try sender.join(deadline: .seconds(10))
        try receiver.join(deadline: .seconds(10))
        try context.close(deadline: .seconds(10))
        return arrived.list.withLock { $0 }
    }

    @Test("two leave at once, and of the others those that forward needs first")
    func order() throws {
        let arrived = try exchange([1], count: Self.chunks)
        let expected = [11, 10] + Array(0..<10 as Range<UInt32>)
        #expect(arrived.map(\.chunk) == expected)
    }

    @Test("those of an ended timeline that have not left never do")
    func ended() throws {
        let arrived = try exchange([1, 2], count: 2 + Self.chunks)
        #expect(arrived.prefix(2) == [.init(timeline: 1, chunk: 11), .init(timeline: 1, chunk: 10)])
        #expect(arrived.dropFirst(2).map(\.timeline) == Array(repeating: 2, count: Self.chunks))
        #expect(arrived.dropFirst(2).map(\.chunk) == Array(0..<12 as Range<UInt32>))
    }
}
