import Checksums
import Testing

@Suite("CRC-32C")
struct CRC32CTests {
    @Test("equals the published vectors of RFC 3720")
    func vectors() {
        #expect(check(Array("123456789".utf8)) == 0xE306_9283)
        #expect(check([]) == 0)
        #expect(check([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(check([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(check(Array(0..<32)) == 0x46DD_794E)
        #expect(check((0..<32).reversed()) == 0x113F_DB5C)
    }

    @Test("equals its naive twin, bit by bit, at every length and alignment")
    func twin() {
        var bytes: [UInt8] = []
        var state: UInt64 = 1
        for _ in 0..<100 { bytes.append(nextByte(&state)) }
        for lower in 0..<9 {
            for upper in lower...100 {
                let expected = naive(Array(bytes[lower..<upper]))
                let found = unsafe CRC32C.checksum(bytes.span.bytes.extracting(lower..<upper))
                #expect(found == expected)
            }
        }
    }

    private func check(_ bytes: [UInt8]) -> UInt32 { unsafe CRC32C.checksum(bytes.span.bytes) }

    private func naive(_ bytes: [UInt8]) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F6_3B78 }
        }
        return ~crc
    }
}

/// A small generator (SplitMix64) whose seed replays a failing case.
func next(_ state: inout UInt64) -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
}

func nextByte(_ state: inout UInt64) -> UInt8 { UInt8(truncatingIfNeeded: next(&state) >> 32) }
