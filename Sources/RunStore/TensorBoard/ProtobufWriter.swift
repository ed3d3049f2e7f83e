/// The few forms of the protocol-buffer wire format that event files use, appended in the order of the calls.
///
/// Source: the encoding chapter of the Protocol Buffers documentation (varint, fixed32, fixed64, length-delimited, packed).
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    private enum WireType: UInt64 {
        case varint = 0
        case fixed64 = 1
        case delimited = 2
        case fixed32 = 5
    }

    private mutating func key(_ field: UInt64, _ type: WireType) { varint(field << 3 | type.rawValue) }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func littleEndian<Word: FixedWidthInteger>(_ word: Word) { bytes.append(littleEndian: word) }

    /// An int64 or an enumeration.
    mutating func integer(_ field: UInt64, _ value: Int64) {
        key(field, .varint)
        varint(UInt64(bitPattern: value))
    }

    mutating func double(_ field: UInt64, _ value: Double) {
        key(field, .fixed64)
        littleEndian(value.bitPattern)
    }

    mutating func float(_ field: UInt64, _ value: Float) {
        key(field, .fixed32)
        littleEndian(value.bitPattern)
    }

    mutating func text(_ field: UInt64, _ value: String) { delimited(field, Array(value.utf8)) }

    /// A repeated double in packed form.
    mutating func doubles(_ field: UInt64, _ values: [Double]) {
        key(field, .delimited)
        varint(UInt64(values.count * 8))
        for value in values { littleEndian(value.bitPattern) }
    }

    mutating func message(_ field: UInt64, _ write: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        write(&inner)
        delimited(field, inner.bytes)
    }

    private mutating func delimited(_ field: UInt64, _ content: [UInt8]) {
        key(field, .delimited)
        varint(UInt64(content.count))
        bytes += content
    }
}

extension [UInt8] {
    mutating func append<Word: FixedWidthInteger>(littleEndian word: Word) {
        for place in 0..<Word.bitWidth / 8 { append(UInt8(truncatingIfNeeded: word >> Word(place * 8))) }
    }
}
