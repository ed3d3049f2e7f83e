/// The Castagnoli cyclic redundancy check, which guards frame headers and the entries of event files.
///
/// Source: RFC 3720, appendix B.4 (polynomial 0x1EDC6F41, reflected, initial value and final exclusive or of all ones).
public enum CRC32C {
    /// The check of `bytes`. O(count), eight bytes at a time.
    public static func checksum(_ bytes: RawSpan) -> UInt32 {
        var crc = UInt32.max
        var offset = 0
        while offset + 8 <= bytes.byteCount {
            // Unaligned loads of integers: every bit pattern is a value, and the span checks the bounds.
            let word = unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)) ^ UInt64(crc)
            crc = entry(7, word) ^ entry(6, word >> 8) ^ entry(5, word >> 16) ^ entry(4, word >> 24)
            crc ^= entry(3, word >> 32) ^ entry(2, word >> 40) ^ entry(1, word >> 48) ^ entry(0, word >> 56)
            offset += 8
        }
        while offset < bytes.byteCount {
            let byte = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
            crc = (crc >> 8) ^ entry(0, UInt64(crc) ^ UInt64(byte))
            offset += 1
        }
        return ~crc
    }

    private static func entry(_ slice: Int, _ word: UInt64) -> UInt32 { table[slice << 8 | Int(word & 0xFF)] }

    /// `table[256 k + b]` is the check of byte `b` followed by `k` zero bytes.
    private static let table: [UInt32] = {
        var table = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F6_3B78 }
            table[byte] = crc
        }
        for index in 256..<table.count {
            let shorter = table[index - 256]
            table[index] = (shorter >> 8) ^ table[Int(shorter & 0xFF)]
        }
        return table
    }()
}
