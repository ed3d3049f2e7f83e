import ParameterServer
import Testing
import WireProtocol

@testable import Transport

@Suite("Sockets among failures and strangers")
struct FailureTests {
    @Test("a message to a worker that is not connected is unreachable")
    func unreachable() throws {
        let context = try TransportContext()
        let record = Monitor(Record())
        let router = try makeRouter(context, record)
        let buffer = PayloadBuffer(byteCount: 1 << 20)
        try router.post(.send(to: worker(9), header: [1]))
        try router.post(.share(to: worker(9), header: [1], buffer: buffer, range: 0..<(1 << 20)))
        try eventually(record, "two refusals") { $0.sendErrors.count == 2 }
        #expect(record.update { $0.sendErrors } == [.unreachable(worker(9)), .unreachable(worker(9))])
        #expect(
            SendError.unreachable(worker(9)).description
                == "worker-a100000000000009 is not connected; it must connect again before anything can be sent to it")
        #expect(!buffer.isInFlight)
        try end([router], context)
    }

    @Test("an endpoint that cannot be used is refused with cause and remedy")
    func unusableEndpoints() throws {
        let context = try TransportContext()
        let router = try makeRouter(context, Monitor(Record()))
        let port = router.boundEndpoint.port
        #expect(port != 0)
        #expect(throws: TransportError.portInUse(router.boundEndpoint)) { try makeRouter(context, Monitor(Record()), port: port) }
        #expect(
            TransportError.portInUse(.loopback(port: 7700)).description
                == "port 7700 on 127.0.0.1 is taken; pass --port to choose another")
        // 192.0.2.0/24 is kept for documentation (RFC 5737), and .invalid never resolves (RFC 2606).
        let foreign = try Endpoint(parsing: "192.0.2.1:7700")
        #expect(throws: TransportError.addressNotLocal(foreign)) { try open(context, .router(bind: foreign)) }
        #expect(
            TransportError.addressNotLocal(foreign).description
                == "192.0.2.1 is not an address of this machine, so nothing can listen on 192.0.2.1:7700; bind to * or to one of its own"
        )
        let nowhere = try Endpoint(parsing: "nowhere.invalid:7700")
        for role in [SocketRole.dealer(connect: nowhere, identity: worker(1)), .router(bind: nowhere)] {
            do {
                try open(context, role)
                Issue.record("opened")
            } catch TransportError.cannotResolve(let host, _) {
                #expect(host == "nowhere.invalid")
            }
        }
        for text in ["127.0.0.1:0", "*:7700", "0.0.0.0:7700"] {
            let endpoint = try Endpoint(parsing: text)
            #expect(throws: TransportError.notReachable(endpoint)) {
                try open(context, .dealer(connect: endpoint, identity: worker(1)))
            }
        }
        try end([router], context)
    }

    @Test("names and wildcards can be bound")
    func bindableEndpoints() throws {
        let context = try TransportContext()
        for text in ["localhost:0", "*:0", "0.0.0.0:0"] {
            let record = Monitor(Record())
            let router = try SocketLoop(
                name: "r", context: context, role: .router(bind: try Endpoint(parsing: text)), limits: .control
            ) { Recorder(record) }
            #expect(router.boundEndpoint.host == text.dropLast(2) && router.boundEndpoint.port != 0)
            let dealer = try makeDealer(context, Monitor(Record()), to: .loopback(port: router.boundEndpoint.port))
            try dealer.post(.send(header: [7]))
            try eventually(record, "a message") { $0.messages.count == 1 }
            for loop in [router, dealer] {
                loop.stop()
                try loop.join(deadline: patience)
            }
        }
        try context.close(deadline: patience)
    }

    @Test("a handler that cannot be made is the loop's error")
    func handlerFails() throws {
        struct NoData: Error {}
        let context = try TransportContext()
        #expect(throws: NoData.self) {
            _ = try SocketLoop(name: "x", context: context, role: .router(bind: .loopback()), limits: .control) {
                () throws -> Echo in
                throw NoData()
            }
        }
        try context.close(deadline: patience)
    }

    @Test("bytes that are not ZMTP, odd identities and surplus parts do not disturb the loop")
    func strangers() throws {
        let context = try TransportContext()
        let record = Monitor(Record())
        let router = try makeRouter(context, record)
        let port = router.boundEndpoint.port
        // No identity, one too short, one too long.
        for (index, identity) in [[], [0xA1, 2, 3], [UInt8](repeating: 0xA1, count: 9)].enumerated() {
            let odd = try #require(RawConnection(port: port))
            odd.shakeHands(identity: identity)
            odd.send(parts: [[1, 2, 3], [4]])
            try eventually("a stranger's message") { router.statistics.messagesFromStrangers == UInt64(index + 1) }
        }
        let wordy = try #require(RawConnection(port: port))
        wordy.shakeHands(identity: [0xA1, 0, 0, 0, 0, 0, 0, 7])
        wordy.send(parts: (0..<10).map { [UInt8($0)] })
        wordy.send(parts: [[1], [2]])
        try eventually(record, "the message behind the surplus one") { $0.messages.count == 1 }
        #expect(record.update { $0.messages } == [Record.Message(peer: worker(7), parts: [[1], [2]])])
        try eventually("the surplus message's count") { router.statistics.messagesMalformed == 1 }
        // libzmq reads what does not begin as ZMTP 3 as its first version, so noise may count as messages of strangers.
        let web = try #require(RawConnection(port: port))
        web.send(Array("GET / HTTP/1.1\r\nHost: plumb\r\n\r\n".utf8))
        let noise = try #require(RawConnection(port: port))
        noise.send(pattern(100_000, seed: 3))
        let silent = try #require(RawConnection(port: port))
        let halfway = try #require(RawConnection(port: port))
        halfway.send([0xFF, 0, 0, 0])
        // A frame that ends with its connection.
        let broken = try #require(RawConnection(port: port))
        broken.shakeHands(identity: [0xA1, 0, 0, 0, 0, 0, 0, 8])
        broken.send([0, 200, 1, 2, 3])
        let dealer = try makeDealer(context, Monitor(Record()), to: router.boundEndpoint)
        try dealer.post(.send(header: [42]))
        try eventually(record, "an honest message") { $0.messages.last?.parts == [[42]] }
        _ = silent
        try end([router, dealer], context)
    }

    @Test("a message larger than the limit is dropped with its connection, and others are served")
    func oversize() throws {
        let context = try TransportContext()
        let record = Monitor(Record())
        let router = try makeRouter(context, record, limits: SocketLimits(messageBytesMax: 64 << 10))
        let large = try makeDealer(context, Monitor(Record()), to: router.boundEndpoint, as: worker(1))
        try large.post(.send(header: [1], payload: pattern(65_537, seed: 1)))
        let honest = try makeDealer(context, Monitor(Record()), to: router.boundEndpoint, as: worker(2))
        try honest.post(.send(header: [2], payload: pattern(65_536, seed: 1)))
        try eventually(record, "the honest message") { $0.messages.count == 1 }
        // The large one's dealer connects again and can be of use.
        let deadline = ContinuousClock.now + patience
        while record.update({ $0.messages.count }) == 1, ContinuousClock.now < deadline {
            try large.post(.send(header: [3]))
            _ = record.wait(atMost: .milliseconds(20)) { $0.messages.count > 1 ? true : nil }
        }
        #expect(record.update { $0.messages.map { $0.parts[0] }.prefix(2) } == [[2], [3]])
        try end([router, honest, large], context)
    }

    @Test("a peer that does not read overflows its own bound only, and what waited is reported when it goes")
    func overflow() throws {
        let context = try TransportContext()
        let record = Monitor(Record())
        let router = try makeRouter(context, record, limits: SocketLimits(highWaterMark: 4, pendingBytesMax: 8 << 20))
        var deaf = RawConnection(port: router.boundEndpoint.port)
        deaf?.shakeHands(identity: [0xA1, 0, 0, 0, 0, 0, 0, 5])
        deaf?.send(parts: [[1]])
        try eventually(record, "the deaf peer") { $0.messages.count == 1 }
        let buffer = PayloadBuffer(byteCount: 1 << 20)
        var sent = 0
        while record.update({ $0.sendErrors.isEmpty }) {
            try router.post(.share(to: worker(5), header: bytes(sent), buffer: buffer, range: 0..<(1 << 20)))
            sent += 1
            try eventually(record, "the post") { $0.posts == sent }
            try #require(sent < 200)
        }
        guard case .overflow(let peer, let pending, let limit)? = record.update({ $0.sendErrors.first }) else {
            Issue.record("no overflow")
            return
        }
        #expect(peer == worker(5) && limit == 8 << 20 && pending > 6 << 20 && pending <= limit)
        // Others are served meanwhile.
        let heard = Monitor(Record())
        let dealer = try makeDealer(context, heard, to: router.boundEndpoint)
        try dealer.post(.send(header: [2]))
        try eventually(record, "the dealer") { $0.messages.count == 2 }
        try router.post(.send(to: worker(1), header: [3]))
        try eventually(heard, "an answer") { $0.messages.count == 1 }
        #expect(buffer.isInFlight)
        deaf = nil
        try eventually(record, "the report of what was lost") { !$0.undelivered.isEmpty }
        // Seven fitted; the system's own buffers may have grown and taken some of them.
        let undelivered = try #require(record.update { $0.undelivered.first })
        #expect((1...7).contains(undelivered) && record.update { $0.undelivered.count } == 1)
        try eventually("the release of every frame") { !buffer.isInFlight }
        try router.post(.send(to: worker(5), header: [1]))
        try eventually(record, "a refusal") { $0.sendErrors.last == .unreachable(worker(5)) }
        try end([router, dealer], context)
        #expect(router.statistics.messagesUndelivered == UInt64(undelivered) && router.statistics.pendingBytes == 0)
        #expect(
            SendError.overflow(nil, pendingBytes: 5, pendingBytesMax: 8).description
                == "the other side does not read: 5 bytes wait for it and 8 may; send less at a time or wait for it")
    }

    private func open(_ context: TransportContext, _ role: SocketRole) throws {
        _ = try SocketLoop(name: "x", context: context, role: role, limits: .control) { Echo() }
    }
}
