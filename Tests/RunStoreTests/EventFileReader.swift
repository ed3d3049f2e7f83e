import Foundation
import Testing

/// A strict reader of event files, written from the formats' descriptions alone.
enum EventFileReader {
    struct Failure: Error { var reason: String }

    /// The messages of a file of TFRecords; every length and both checksums are right, and nothing is left over.
    static func records(_ bytes: [UInt8]) throws -> [[UInt8]] {
        var records: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            guard rest.count >= 16 else { throw Failure(reason: "\(rest.count) bytes are left over") }
            let length = Array(rest.prefix(8))
            let count = Int(word(length))
            guard word(Array(rest.dropFirst(8).prefix(4))) == masked(length) else { throw Failure(reason: "a length's checksum") }
            guard rest.count >= count + 16 else { throw Failure(reason: "an entry is cut off") }
            let message = Array(rest.dropFirst(12).prefix(count))
            guard word(Array(rest.dropFirst(12 + count).prefix(4))) == masked(message) else {
                throw Failure(reason: "an entry's checksum")
            }
            records.append(message)
            rest = rest.dropFirst(count + 16)
        }
        return records
    }

    enum Field: Equatable {
        case number(UInt64)
        case bytes([UInt8])
    }

    /// The fields of a protocol-buffer message in their order.
    static func fields(_ message: [UInt8]) throws -> [(number: Int, value: Field)] {
        var fields: [(Int, Field)] = []
        var rest = message[...]
        while !rest.isEmpty {
            let key = try varint(&rest)
            switch key & 7 {
            case 0: fields.append((Int(key >> 3), .number(try varint(&rest))))
            case 1: fields.append((Int(key >> 3), .number(word(try take(8, &rest)))))
            case 2: fields.append((Int(key >> 3), .bytes(try take(Int(try varint(&rest)), &rest))))
            case 5: fields.append((Int(key >> 3), .number(word(try take(4, &rest)))))
            default: throw Failure(reason: "wire type \(key & 7)")
            }
        }
        return fields
    }

    static func doubles(_ bytes: [UInt8]) -> [Double] {
        stride(from: 0, to: bytes.count, by: 8).map { Double(bitPattern: word(Array(bytes[$0..<$0 + 8]))) }
    }

    private static func take(_ count: Int, _ rest: inout ArraySlice<UInt8>) throws -> [UInt8] {
        guard rest.count >= count else { throw Failure(reason: "a field is cut off") }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) throws -> UInt64 {
        var (value, shift): (UInt64, UInt64) = (0, 0)
        while let byte = rest.popFirst() {
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw Failure(reason: "a number is cut off")
    }

    private static func word(_ bytes: [UInt8]) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

    /// Bit by bit, and masked as TFRecord's description says.
    private static func masked(_ bytes: [UInt8]) -> UInt64 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F6_3B78 }
        }
        return UInt64((((~crc) >> 15) | ((~crc) << 17)) &+ 0xA282_EAD8)
    }
}
