import Checksums
import ParameterServer
import Testing
import WireProtocol

@Suite("The header of a data frame")
struct FrameHeaderTests {
    static let push = FrameHeader(
        kind: .push, encoding: .f32, flags: .last, timeline: Timeline(rawValue: 3), generation: Generation(rawValue: 7),
        step: 0x0102_0304_0506_0708, chunk: ChunkIndex(rawValue: 12), node: TreeNode(4, 8), count: 262_144,
        sender: WorkerID(rawValue: 0xA1B2_C3D4_E5F6_0718), payloadChecksum: 0xDEAD_BEEF)

    @Test("has the bytes that the documentation states")
    func layout() {
        let bytes = Self.push.encoded()
        #expect(bytes.count == 64)
        #expect(Array(bytes[0..<4]) == Array("PLMB".utf8))
        #expect(Array(bytes[4..<12]) == [3, 0, 1, 1, 1, 0, 0, 0])
        #expect(Array(bytes[12..<24]) == [3, 0, 0, 0, 7, 0, 0, 0, 12, 0, 0, 0])
        #expect(Array(bytes[24..<32]) == [8, 7, 6, 5, 4, 3, 2, 1])
        #expect(Array(bytes[32..<48]) == [4, 0, 0, 0, 8, 0, 0, 0, 0, 0, 4, 0, 0, 0, 16, 0])
        #expect(Array(bytes[48..<56]) == [0x18, 0x07, 0xF6, 0xE5, 0xD4, 0xC3, 0xB2, 0xA1])
        #expect(Array(bytes[56..<60]) == [0xEF, 0xBE, 0xAD, 0xDE])
    }

    @Test("comes back as it was sent, whatever its fields", arguments: FrameHeader.Kind.allCases)
    func roundTrip(kind: FrameHeader.Kind) throws {
        var state = UInt64(kind.rawValue)
        var buffer: [UInt8] = []
        for _ in 0..<500 {
            let header = randomHeader(kind, &state)
            header.encode(into: &buffer)
            #expect(try FrameHeader.decode(buffer) == header)
        }
    }

    @Test("is refused when a byte is missing or one too many")
    func lengths() {
        let bytes = Self.push.encoded()
        for length in 0..<64 {
            #expect(throws: FrameError.headerLength(length)) { try FrameHeader.decode(Array(bytes[..<length])) }
        }
        #expect(throws: FrameError.headerLength(65)) { try FrameHeader.decode(bytes + [0]) }
    }

    @Test("is refused when any single bit has flipped")
    func flippedBits() {
        let bytes = Self.push.encoded()
        for bit in 0..<512 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: FrameError.self) { try FrameHeader.decode(damaged) }
        }
    }

    @Test("never traps on random bytes, and what it accepts is within the limits")
    func hostileBytes() {
        var state: UInt64 = 42
        var accepted = 0
        for _ in 0..<200_000 {
            var bytes = (next(&state) % 4 == 0 ? randomHeader(.push, &state) : Self.push).encoded()
            for _ in 0..<(1 + next(&state) % 6) { bytes[Int(next(&state) % 60)] = randomByte(&state) }
            // The check is made right, so that the fields behind it are reached.
            if next(&state) % 8 != 0 { seal(&bytes) }
            guard let header = try? FrameHeader.decode(bytes) else { continue }
            accepted += 1
            #expect(header.payloadBytes <= FrameHeader.payloadBytesMax && header.count >= 0)
            #expect(header.kind.hasNode == (header.node != nil))
            #expect((header.node?.upper ?? 1) <= FrameHeader.partitionsMax)
            #expect(header.encoded() == bytes)
        }
        #expect(accepted > 1000)
    }

    @Test("is refused for each field out of its limits, by name")
    func fields() {
        #expect(refusal { put(UInt8(0), at: 0, in: &$0) } == .magic(0x424D_4C00))
        #expect(refusal { put(UInt16(1), at: 4, in: &$0) } == .version(1))
        #expect(refusal { put(UInt8(0), at: 6, in: &$0) } == .kind(0))
        #expect(refusal { put(UInt8(14), at: 6, in: &$0) } == .kind(14))
        #expect(refusal { put(UInt8(0), at: 7, in: &$0) } == .encoding(0))
        #expect(refusal { put(UInt8(3), at: 7, in: &$0) } == .encoding(3))
        #expect(refusal { put(UInt8(4), at: 7, in: &$0) } == .encoding(4))
        #expect(refusal { put(UInt16(0x8001), at: 8, in: &$0) } == .flags(0x8001))
        #expect(refusal { put(UInt16(32 | 2), at: 8, in: &$0) } == .flags(34), "a probe's payload lies in nobody's memory")
        #expect(refusal { put(UInt16(1), at: 10, in: &$0) } == .section(1, kind: .push))
        #expect(refusal { put(UInt32(8), at: 32, in: &$0) } == .node(lower: 8, upper: 8, kind: .push))
        #expect(refusal { put(UInt32(65_537), at: 36, in: &$0) } == .node(lower: 4, upper: 65_537, kind: .push))
        #expect(refusal { put(UInt32.max, at: 36, in: &$0) } == .node(lower: 4, upper: .max, kind: .push))
        #expect(refusal { put(UInt32(1), at: 40, in: &$0) } == .payloadSize(count: 1, encoding: .f32, payloadBytes: 1 << 20))
        #expect(refusal { put(UInt8(2), at: 6, in: &$0) } == .node(lower: 4, upper: 8, kind: .parameters))
        #expect(refusal { put(UInt8(6), at: 6, in: &$0) } == .payloadNotAllowed(1 << 20, kind: .resendRequest))
        #expect(
            refusal {
                put(UInt8(7), at: 6, in: &$0); put(UInt16(8), at: 10, in: &$0)
            } == .section(8, kind: .snapshot))
        // A count whose bytes do not fit 32 bits must not wrap around to a small number.
        #expect(
            refusal {
                put(UInt32(0x4000_0001), at: 40, in: &$0); put(UInt32(4), at: 44, in: &$0)
            }
                == .payloadSize(count: 0x4000_0001, encoding: .f32, payloadBytes: 4))
        let large = UInt32(FrameHeader.payloadBytesMax + 4)
        #expect(
            refusal {
                put(large / 4, at: 40, in: &$0); put(large, at: 44, in: &$0)
            } == .payloadTooLarge(large))
        var damaged = Self.push.encoded()
        damaged[24] ^= 1
        #expect(throws: FrameError.self) { try FrameHeader.decode(damaged) }
    }

    @Test("states the size of its payload")
    func payloadLength() throws {
        try Self.push.checkPayload(byteCount: 1 << 20)
        #expect(throws: FrameError.payloadLength(stated: 1 << 20, received: 17)) { try Self.push.checkPayload(byteCount: 17) }
    }

    @Test("says in one sentence what was wrong")
    func texts() {
        #expect(
            FrameError.version(1).description
                == "a frame has protocol version 1, and this build speaks 3; run the same build everywhere")
        #expect(FrameError.encoding(3).description == "a frame has encoding 3 (bf16, reserved), and this build reads 1, 2")
        #expect(FrameError.encoding(9).description == "a frame has encoding 9, and this build reads 1, 2")
        #expect(
            FrameError.node(lower: 8, upper: 8, kind: .push).description
                == "a push frame names node [8, 8), which is not in [0, 65536)")
        #expect(
            FrameError.payloadLength(stated: 8, received: 7).description
                == "a frame states a payload of 8 bytes, but 7 came with it")
        #expect(
            FrameError.headerLength(3).description
                == "a frame header has 3 bytes instead of 64; the peer does not speak this protocol")
    }

    /// What decoding says of the push after `change`, with the header's check made right again.
    private func refusal(_ change: (inout [UInt8]) -> Void) -> FrameError? {
        var bytes = Self.push.encoded()
        change(&bytes)
        seal(&bytes)
        do throws(FrameError) {
            _ = try FrameHeader.decode(bytes)
            return nil
        } catch {
            return error
        }
    }
}

private func put<T: FixedWidthInteger>(_ value: T, at offset: Int, in bytes: inout [UInt8]) {
    for byte in 0..<(T.bitWidth / 8) { bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
}

private func seal(_ bytes: inout [UInt8]) {
    let checksum = unsafe CRC32C.checksum(bytes.span.bytes.extracting(0..<60))
    put(checksum, at: 60, in: &bytes)
}

private func randomByte(_ state: inout UInt64) -> UInt8 {
    next(&state) % 2 == 0 ? UInt8(next(&state) % 9) : nextByte(&state)
}

private func randomHeader(_ kind: FrameHeader.Kind, _ state: inout UInt64) -> FrameHeader {
    let encoding: FrameHeader.Encoding = next(&state) % 2 == 0 ? .f32 : .f64
    let lower = Int(next(&state) % 65_536)
    let upper = lower + 1 + Int(next(&state) % UInt64(65_536 - lower))
    let count = Int(next(&state) % UInt64(FrameHeader.payloadBytesMax / encoding.elementBytes + 1))
    return FrameHeader(
        kind: kind, encoding: encoding, flags: next(&state) % 2 == 0 ? [] : .last,
        section: kind == .snapshot ? UInt16(next(&state) % 8) : 0,
        timeline: Timeline(rawValue: UInt32(truncatingIfNeeded: next(&state))),
        generation: Generation(rawValue: UInt32(truncatingIfNeeded: next(&state))), step: next(&state),
        chunk: ChunkIndex(rawValue: UInt32(truncatingIfNeeded: next(&state))), node: kind.hasNode ? TreeNode(lower, upper) : nil,
        count: kind.hasPayload ? count : 0, sender: WorkerID(rawValue: next(&state)),
        payloadChecksum: UInt32(truncatingIfNeeded: next(&state)))
}
