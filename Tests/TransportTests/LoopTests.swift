import ParameterServer
import Testing
import WireProtocol

@testable import Transport

@Suite("The life of a socket loop")
struct LoopTests {
    @Test("a handler is made, called and ended on one thread, which is the loop's own")
    func oneThread() throws {
        let context = try TransportContext()
        let record = Monitor(Record())
        let router = try makeRouter(context, record, name: "plumb-life-test")
        try router.post(.count)
        try eventually(record, "the post") { $0.posts == 1 }
        #expect(threadNames().contains("plumb-life-test"))
        try end([router], context)
        let threads = record.update { $0.threads }
        #expect(threads.count == 1 && !threads.contains(currentThread()))
        #expect(record.update { $0.events }.filter { $0 != "ticked" } == ["made", "started", "posted", "stopping"])
        #expect(!threadNames().contains("plumb-life-test"))
    }

    @Test("an inbox that is full refuses posts at once")
    func fullInbox() throws {
        let context = try TransportContext()
        let record = Monitor(Record())
        let router = try makeRouter(context, record, limits: SocketLimits(inboxCapacity: 3))
        let gate = Monitor(false)
        try router.post(.wait(gate))
        try eventually(record, "the gate") { $0.events.last == "posted" }
        for _ in 0..<3 { try router.post(.count) }
        #expect(throws: PostError.full(loop: "router", capacity: 3)) { try router.post(.count) }
        #expect(
            PostError.full(loop: "router", capacity: 3).description
                == "the inbox of router holds 3 posts already; post less or wait for it")
        gate.update { $0 = true }
        try eventually(record, "the posts") { $0.posts == 4 }
        try router.post(.count)
        try end([router], context)
        #expect(record.update { $0.posts } == 5)
    }

    @Test("ticks come by themselves, and after what had arrived before them")
    func ticks() throws {
        let context = try TransportContext()
        let record = Monitor(Record())
        let router = try makeRouter(context, record, limits: SocketLimits(tickInterval: .milliseconds(5)))
        try eventually(record, "ten ticks") { $0.ticks >= 10 }
        let gate = Monitor(false)
        let dealer = try makeDealer(context, Monitor(Record()), to: router.boundEndpoint)
        try dealer.post(.send(header: [1]))
        try eventually(record, "the connection") { $0.messages.count == 1 }
        // While the loop is held up for longer than a tick, posts arrive.
        try router.post(.wait(gate))
        record.update { $0.events = [] }
        let held = MonotonicClock.now()
        for _ in 0..<10 { try router.post(.count) }
        try eventually("two ticks' time") { MonotonicClock.now() - held > .milliseconds(10) }
        gate.update { $0 = true }
        try eventually(record, "the posts and a tick") { $0.posts == 11 && $0.events.contains("ticked") }
        #expect(record.update { $0.events.first } == "posted")
        try end([router, dealer], context)
    }

    @Test("a loop stops while traffic flows both ways")
    func stopInTraffic() throws {
        let context = try TransportContext()
        let record = Monitor(Record())
        let router = try SocketLoop(name: "echo", context: context, role: .router(bind: .loopback()), limits: .data) { Echo() }
        let dealer = try makeDealer(context, record, to: router.boundEndpoint, limits: .data, keeping: .nothing)
        let payload = pattern(200_000, seed: 1)
        for number in 0..<200 { try dealer.post(.send(header: bytes(number), payload: payload)) }
        try eventually("traffic") { dealer.statistics.messagesReceived > 20 }
        dealer.stop()
        router.stop()
        try dealer.join(deadline: patience)
        try router.join(deadline: patience)
        try context.close(deadline: patience)
    }

    @Test("a loop that drops out of use ends by itself, and its handler can end it too")
    func endsByItself() throws {
        let context = try TransportContext()
        let record = Monitor(Record())
        var router: RecordedLoop? = try makeRouter(context, record)
        #expect(router?.name == "router")
        router = nil
        try eventually(record, "the end") { $0.events.last == "stopping" }
        let second = Monitor(Record())
        let other = try makeRouter(context, second)
        try other.post(.end)
        try other.join(deadline: patience)
        #expect(second.update { $0.events.last } == "stopping")
        try context.close(deadline: patience)
    }

    @Test("a context that closes ends its loops, and says which one does not")
    func contextCloses() throws {
        let context = try TransportContext()
        let record = Monitor(Record())
        let idle = try makeRouter(context, Monitor(Record()), name: "idle")
        let busy = try makeRouter(context, record, name: "busy")
        let gate = Monitor(false)
        try busy.post(.wait(gate))
        try eventually(record, "the gate") { $0.events.last == "posted" }
        #expect(throws: TransportError.joinDeadline(name: "busy", waited: .milliseconds(10))) {
            try busy.join(deadline: .milliseconds(10))
        }
        #expect(throws: TransportError.self) { try context.close(deadline: .milliseconds(200)) }
        #expect(throws: TransportError.contextTerminated) { try idle.join(deadline: patience) }
        #expect(throws: TransportError.contextTerminated) { try makeRouter(context, Monitor(Record())) }
        #expect(throws: TransportError.socketsOpen(names: ["busy"], waited: .milliseconds(50))) {
            try context.close(deadline: .milliseconds(50))
        }
        gate.update { $0 = true }
        #expect(throws: TransportError.contextTerminated) { try busy.join(deadline: patience) }
        try context.close(deadline: patience)
        try context.close(deadline: patience)
        #expect(
            TransportError.socketsOpen(names: ["busy"], waited: .milliseconds(50)).description
                == "the socket loops busy were awaited for 0.05 s to close and did not; stop them first")
        #expect(
            TransportError.joinDeadline(name: "busy", waited: .seconds(2)).description
                == "the socket loop busy was awaited for 2.0 s to end and did not; its handler is busy or blocked")
    }

    @Test("a context ends in bounded time although nobody takes what was sent")
    func boundedLinger() throws {
        let context = try TransportContext()
        let reserved = try #require(ReservedPort())
        let endpoint = Endpoint.loopback(port: reserved.number)
        let record = Monitor(Record())
        let dealer = try makeDealer(context, record, to: endpoint, limits: SocketLimits(linger: .milliseconds(100)))
        for _ in 0..<100 { try dealer.post(.send(header: [1], payload: pattern(1000, seed: 1))) }
        try eventually(record, "the posts") { $0.posts == 100 }
        let start = ContinuousClock.now
        try end([dealer], context)
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test("nothing is left behind: no descriptor, no thread")
    func noLeaks() async {
        // In a process of its own, where nobody else opens anything.
        await #expect(processExitsWith: .success) {
            try exchangeOnce()
            let descriptors = openDescriptors()
            let threads = threadNames().sorted()
            for _ in 0..<5 { try exchangeOnce() }
            try eventually("the threads of before") { threadNames().sorted() == threads }
            try #require(openDescriptors() == descriptors)
        }
    }
}

/// A router, two dealers, traffic, an unusable endpoint, and the end of them all.
private func exchangeOnce() throws {
    let context = try TransportContext()
    let record = Monitor(Record())
    let router = try makeRouter(context, record)
    #expect(throws: TransportError.self) { try makeRouter(context, Monitor(Record()), port: router.boundEndpoint.port) }
    let dealers = try (1...2).map { try makeDealer(context, Monitor(Record()), to: router.boundEndpoint, as: worker($0)) }
    for dealer in dealers { try dealer.post(.send(header: [1], payload: pattern(100_000, seed: 1))) }
    try eventually(record, "messages") { $0.messages.count == 2 }
    try end([router] + dealers, context)
}
