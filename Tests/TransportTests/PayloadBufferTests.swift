import ParameterServer
import Testing
import WireProtocol

@testable import Transport

@Suite("Payloads sent from where they are")
struct PayloadBufferTests {
    @Test("arrive, and their buffer is released exactly once per frame")
    func releasedOnce() throws {
        let context = try TransportContext()
        let atRouter = Monitor(Record())
        let router = try makeRouter(context, atRouter, limits: .data)
        let dealer = try makeDealer(context, Monitor(Record()), to: router.boundEndpoint, limits: .data)
        var buffer: PayloadBuffer? = PayloadBuffer(byteCount: 1 << 20)
        let content = pattern(1 << 20, seed: 5)
        buffer?.withMutableBytes { bytes in
            for index in content.indices { bytes.storeBytes(of: content[index], toByteOffset: index, as: UInt8.self) }
        }
        weak let weakly = buffer
        let ranges = [0..<(1 << 20), 0..<65_536, 1..<65_537, 100..<200, 7..<7, 500_003..<1_000_000]
        for (index, range) in ranges.enumerated() {
            try dealer.post(.share(header: bytes(index), buffer: try #require(buffer), range: range))
        }
        try eventually(atRouter, "the frames") { $0.messages.count == ranges.count }
        try eventually("the release of the frames") { weakly?.isInFlight == false }
        let messages = atRouter.update { $0.messages }
        for (index, range) in ranges.enumerated() {
            #expect(messages[index].parts == [bytes(index)] + (range.isEmpty ? [] : [Array(content[range])]))
        }
        // One release too few would keep it alive; one too many would have freed it while we hold it, and broken the count.
        #expect(weakly?.isInFlight == false)
        buffer = nil
        try eventually("the end of the buffer") { weakly == nil }
        try end([router, dealer], context)
    }

    @Test("go to many peers at once from the same memory, and are released when peers are gone or the loop ends")
    func manyPeers() throws {
        let context = try TransportContext()
        let atRouter = Monitor(Record())
        let router = try makeRouter(context, atRouter, limits: .data)
        let records = (0..<4).map { _ in Monitor(Record()) }
        let dealers = try records.enumerated().map { index, record in
            try makeDealer(context, record, to: router.boundEndpoint, as: worker(UInt64(index)), limits: .data)
        }
        for dealer in dealers { try dealer.post(.send(header: [0])) }
        try eventually(atRouter, "everybody") { $0.messages.count == 4 }
        let buffer = PayloadBuffer(byteCount: 1 << 20)
        buffer.withMutableFloats { floats in for index in 0..<floats.count { floats[index] = Float(index) } }
        for round in 0..<20 {
            for peer in 0..<4 {
                try router.post(.share(to: worker(UInt64(peer)), header: bytes(round), buffer: buffer, range: 0..<(1 << 20)))
            }
        }
        let expected = buffer.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) } }
        for record in records {
            try eventually(record, "twenty frames") { $0.messages.count == 20 }
            #expect(record.update { $0.messages.allSatisfy { $0.parts[1] == expected } })
        }
        try eventually("the release of every frame") { !buffer.isInFlight }
        for _ in 0..<50 { try router.post(.share(to: worker(0), header: [1], buffer: buffer, range: 0..<(1 << 20))) }
        try end([router] + dealers, context)
        #expect(!buffer.isInFlight)
    }

    @Test("may be the memory of another object, which lives until the last frame is sent")
    func foreignMemory() throws {
        @safe final class Owner: @unchecked Sendable {
            // Sendable: nobody writes it once it is made.
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 100_000, alignment: 1)
            init() { unsafe memory.initializeMemory(as: UInt8.self, repeating: 9) }
            deinit { unsafe memory.deallocate() }
        }
        let context = try TransportContext()
        let atRouter = Monitor(Record())
        let router = try makeRouter(context, atRouter, limits: .data)
        let dealer = try makeDealer(context, Monitor(Record()), to: router.boundEndpoint, limits: .data)
        var owner: Owner? = Owner()
        weak let weakly = owner
        var buffer = owner.map { unsafe PayloadBuffer(reading: UnsafeRawBufferPointer($0.memory), of: $0) }
        owner = nil
        try dealer.post(.share(header: [1], buffer: try #require(buffer), range: 0..<100_000))
        try eventually(atRouter, "the frame") { $0.messages.count == 1 }
        #expect(atRouter.update { $0.messages[0].parts[1] } == [UInt8](repeating: 9, count: 100_000))
        #expect(weakly != nil)
        buffer = nil
        try eventually("the end of the owner") { weakly == nil }
        try end([router, dealer], context)
    }

    @Test("begin on a 64-byte boundary as zeros")
    func fresh() {
        let buffer = PayloadBuffer(byteCount: 1003)
        #expect(buffer.byteCount == 1003 && !buffer.isInFlight)
        buffer.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { buffer in
                #expect(unsafe buffer.allSatisfy { $0 == 0 })
                #expect(UInt(bitPattern: buffer.baseAddress) % 64 == 0)
            }
        }
        #expect(buffer.withMutableFloats { $0.count } == 250)
        #expect(PayloadBuffer(byteCount: 0).withBytes { $0.byteCount } == 0)
    }
}
