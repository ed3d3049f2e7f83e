import Checksums

/// One entry of a TensorBoard event file.
///
/// Field numbers are those of TensorBoard's `event.proto`, `summary.proto` and `histogram.proto`.
struct TensorBoardEvent: Hashable, Sendable {
    enum Content: Hashable, Sendable {
        /// The first entry of a file.
        case fileVersion
        /// Whatever other files of the directory say of this step and later ones is void.
        case restart
        case values([Value])
    }

    /// One quantity at a step; tags are grouped by what stands before the first slash.
    struct Value: Hashable, Sendable {
        enum Payload: Hashable, Sendable {
            case scalar(Double)
            case histogram(EventHistogram)
        }

        var tag: String
        var payload: Payload
    }

    /// Seconds since 1970.
    var wallTime: Double
    var step: Int64
    var content: Content

    /// The `Event` message.
    func encoded() -> [UInt8] {
        var event = ProtobufWriter()
        event.double(1, wallTime)
        event.integer(2, step)
        switch content {
        case .fileVersion: event.text(3, "brain.Event:2")
        case .restart: event.message(7) { $0.integer(1, 1) }
        case .values(let values):
            event.message(5) { summary in
                for value in values { summary.message(1) { value.encode(into: &$0) } }
            }
        }
        return event.bytes
    }

    /// The entry as the file holds it: length, its checksum, the message, its checksum (TFRecord). O(bytes).
    func framed() -> [UInt8] {
        let message = encoded()
        var bytes: [UInt8] = []
        bytes.reserveCapacity(message.count + 16)
        bytes.append(littleEndian: UInt64(message.count))
        bytes.append(littleEndian: Self.maskedChecksum(bytes))
        bytes += message
        bytes.append(littleEndian: Self.maskedChecksum(message))
        return bytes
    }

    /// TFRecord's CRC-32C: rotated and shifted, so that the check of data that holds its own check is no constant.
    static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
        let crc = unsafe CRC32C.checksum(bytes.span.bytes)
        return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
    }
}

extension TensorBoardEvent.Value {
    fileprivate func encode(into writer: inout ProtobufWriter) {
        writer.text(1, tag)
        switch payload {
        case .scalar(let value): writer.float(2, Float(value))
        case .histogram(let histogram): writer.message(5) { histogram.encode(into: &$0) }
        }
    }
}

extension EventHistogram {
    fileprivate func encode(into writer: inout ProtobufWriter) {
        writer.double(1, smallest)
        writer.double(2, largest)
        writer.double(3, Double(count))
        writer.double(4, sum)
        writer.double(5, sumOfSquares)
        writer.doubles(6, upperEdges)
        writer.doubles(7, counts.map(Double.init))
    }
}
