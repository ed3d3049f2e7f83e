import ParameterServer
import Synchronization
import Testing
import WireProtocol

@testable import Transport

@Suite("Messages between socket loops")
struct ExchangeTests {
    @Test("of 0 B to 1 MiB come back from an echo, byte for byte, to every one of three peers")
    func echo() throws {
        let context = try TransportContext()
        let router = try SocketLoop(name: "echo", context: context, role: .router(bind: .loopback()), limits: .data) { Echo() }
        let sizes = [0, 1, 7, 32, 33, 34, 255, 256, 4096, 8191, 8192, 65_535, 65_536, 65_537, 262_144, 1_048_575, 1_048_576]
        var dealers: [(RecordedLoop, Monitor<Record>)] = []
        for peer in 1...3 {
            let record = Monitor(Record())
            dealers.append(
                (try makeDealer(context, record, to: router.boundEndpoint, as: worker(UInt64(peer)), limits: .data), record))
        }
        for (index, size) in sizes.enumerated() {
            for (peer, dealer) in dealers.enumerated() {
                try dealer.0.post(.send(header: pattern(64, seed: index), payload: pattern(size, seed: index * 10 + peer)))
            }
        }
        for (peer, dealer) in dealers.enumerated() {
            try eventually(dealer.1, "echoes") { $0.messages.count == sizes.count }
            let messages = dealer.1.update { $0.messages }
            for (index, size) in sizes.enumerated() {
                let expected = [pattern(64, seed: index)] + (size == 0 ? [] : [pattern(size, seed: index * 10 + peer)])
                #expect(messages[index].parts == expected && messages[index].peer == nil)
            }
            dealer.0.stop()
            try dealer.0.join(deadline: patience)
        }
        router.stop()
        try router.join(deadline: patience)
        try context.close(deadline: patience)
        #expect(router.statistics.messagesReceived == 3 * UInt64(sizes.count))
        #expect(router.statistics.bytesSent == router.statistics.bytesReceived)
    }

    @Test("keep their order per peer, both ways, when queues are so short that most messages wait")
    func order() throws {
        let context = try TransportContext()
        let limits = SocketLimits(highWaterMark: 2, pendingBytesMax: 64 << 20)
        let atRouter = Monitor(Record())
        let router = try makeRouter(context, atRouter, limits: limits)
        let count = 2000
        var dealers: [(RecordedLoop, Monitor<Record>)] = []
        for peer in 0..<3 {
            let record = Monitor(Record())
            dealers.append(
                (try makeDealer(context, record, to: router.boundEndpoint, as: worker(UInt64(peer)), limits: limits), record))
        }
        for number in 0..<count {
            for dealer in dealers { try dealer.0.post(.send(header: bytes(number), payload: pattern(number % 5000, seed: number))) }
        }
        try eventually(atRouter, "messages at the router") { $0.messages.count == 3 * count }
        for peer in 0..<3 {
            let heads = atRouter.update { $0.messages.filter { $0.peer == worker(UInt64(peer)) }.map { $0.parts[0] } }
            #expect(heads == (0..<count).map(bytes))
        }
        for number in 0..<count {
            for peer in 0..<3 {
                try router.post(.send(to: worker(UInt64(peer)), header: bytes(number), payload: pattern(3000, seed: 1)))
            }
        }
        for dealer in dealers {
            try eventually(dealer.1, "messages at a dealer") { $0.messages.count == count }
            #expect(dealer.1.update { $0.messages.map { $0.parts[0] } } == (0..<count).map(bytes))
        }
        #expect(atRouter.update { $0.sendErrors } == [])
        try end([router] + dealers.map(\.0), context)
        #expect(router.statistics.pendingBytes == 0 && router.statistics.messagesSent == 3 * UInt64(count))
    }

    @Test("posted by eight threads at once all arrive")
    func manyPosters() async throws {
        let context = try TransportContext()
        let atRouter = Monitor(Record())
        let router = try makeRouter(context, atRouter)
        let dealer = try makeDealer(context, Monitor(Record()), to: router.boundEndpoint)
        await withTaskGroup(of: Void.self) { group in
            for poster in 0..<8 {
                group.addTask {
                    for number in 0..<1000 {
                        while (try? dealer.post(.send(header: bytes(poster * 1000 + number)))) == nil { await Task.yield() }
                    }
                }
            }
        }
        try eventually(atRouter, "8000 messages") { $0.messages.count == 8000 }
        #expect(Set(atRouter.update { $0.messages.map { $0.parts[0] } }) == Set((0..<8000).map(bytes)))
        try end([router, dealer], context)
    }

    @Test("that the handler keeps stay as they were while others arrive")
    func keptMessages() throws {
        let context = try TransportContext()
        let atRouter = Monitor(Record())
        let router = try makeRouter(context, atRouter, limits: .data, keeping: .references)
        let dealer = try makeDealer(context, Monitor(Record()), to: router.boundEndpoint, limits: .data)
        let sizes = [5, 33, 100_000, 1 << 20, 64, 8000]
        for (index, size) in sizes.enumerated() {
            try dealer.post(.send(header: bytes(index), payload: pattern(size, seed: index)))
        }
        try eventually(atRouter, "messages") { $0.kept.count == sizes.count }
        try end([router, dealer], context)
        let kept = atRouter.update { $0.kept }
        // The socket and its context are gone; the messages are not.
        for (index, size) in sizes.enumerated() {
            #expect(kept[index].partCount == 2 && kept[index].byteCount == 8 + size)
            #expect(kept[index].bytes(ofPart: 0) == bytes(index))
            #expect(kept[index].bytes(ofPart: 1) == pattern(size, seed: index))
        }
    }

    @Test("sent before the other side listens wait for it and arrive in order")
    func earlyDealer() throws {
        let context = try TransportContext()
        let reserved = try #require(ReservedPort())
        let endpoint = Endpoint.loopback(port: reserved.number)
        let dealer = try makeDealer(context, Monitor(Record()), to: endpoint)
        for number in 0..<100 { try dealer.post(.send(header: bytes(number))) }
        try eventually("messages that wait") { dealer.statistics.pendingBytes > 0 }
        let atRouter = Monitor(Record())
        let router = try makeRouter(context, atRouter, port: endpoint.port)
        try eventually(atRouter, "messages") { $0.messages.count == 100 }
        #expect(atRouter.update { $0.messages.map { $0.parts[0] } } == (0..<100).map(bytes))
        try end([router, dealer], context)
    }

    @Test("sent while stopping are still delivered, and so are those posted before the stop")
    func farewell() throws {
        let context = try TransportContext()
        let atRouter = Monitor(Record())
        let router = try makeRouter(context, atRouter)
        let dealer = try makeDealer(context, Monitor(Record()), to: router.boundEndpoint, farewell: [(nil, [99])])
        for number in 0..<200 { try dealer.post(.send(header: bytes(number))) }
        dealer.stop()
        try dealer.join(deadline: patience)
        try eventually(atRouter, "the last words") { $0.messages.count == 201 }
        #expect(atRouter.update { $0.messages.last?.parts } == [[99]])
        #expect(throws: PostError.ended(loop: "dealer")) { try dealer.post(.count) }
        #expect(PostError.ended(loop: "dealer").description == "the socket loop dealer has ended; nothing can be posted to it")
        try end([router], context)
    }
}

/// A number as eight bytes.
func bytes(_ number: Int) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }

/// Ends loops, one after the other, and their context.
func end(_ loops: [RecordedLoop], _ context: TransportContext) throws {
    for loop in loops { loop.stop() }
    for loop in loops { try loop.join(deadline: patience) }
    try context.close(deadline: patience)
}
