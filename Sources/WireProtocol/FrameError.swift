/// Why the bytes of a data frame were refused.
public enum FrameError: Error, Hashable, Sendable, CustomStringConvertible {
    case headerLength(Int)
    case magic(UInt32)
    case version(UInt16)
    case headerChecksum(stated: UInt32, computed: UInt32)
    case kind(UInt8)
    case encoding(UInt8)
    case flags(UInt16)
    case section(UInt16, kind: FrameHeader.Kind)
    case node(lower: UInt32, upper: UInt32, kind: FrameHeader.Kind)
    case payloadSize(count: UInt32, encoding: FrameHeader.Encoding, payloadBytes: UInt32)
    case payloadTooLarge(UInt32)
    case payloadNotAllowed(UInt32, kind: FrameHeader.Kind)
    case payloadLength(stated: Int, received: Int)

    /// One sentence: what happened, the value seen, what to do.
    public var description: String {
        switch self {
        case .headerLength(let bytes):
            "a frame header has \(bytes) bytes instead of \(FrameHeader.byteCount); the peer does not speak this protocol"
        case .magic(let value):
            "a frame begins with \(hexadecimal(value)) instead of \(hexadecimal(FrameHeader.magic)); the peer does not speak this protocol"
        case .version(let version):
            "a frame has protocol version \(version), and this build speaks \(FrameHeader.protocolVersion); run the same build everywhere"
        case .headerChecksum(let stated, let computed):
            "a frame header states checksum \(hexadecimal(stated)) but has \(hexadecimal(computed)); it was damaged on its way"
        case .kind(let number):
            "a frame has kind \(number), and this build knows \(numbers(FrameHeader.Kind.allCases.map(\.rawValue)))"
        case .encoding(let number):
            "a frame has encoding \(number)\(reservedEncodings[number].map { " (\($0), reserved)" } ?? ""), "
                + "and this build reads \(numbers(FrameHeader.Encoding.allCases.map(\.rawValue)))"
        case .flags(let bits):
            "a frame has flags \(hexadecimal(UInt32(bits))), and this build knows \(hexadecimal(UInt32(FrameHeader.Flags.known.rawValue)))"
        case .section(let section, let kind):
            "a \(kind) frame has section \(section); only snapshots have one, below \(FrameHeader.sectionsMax)"
        case .node(let lower, let upper, let kind):
            kind.hasNode
                ? "a \(kind) frame names node [\(lower), \(upper)), which is not in [0, \(FrameHeader.partitionsMax))"
                : "a \(kind) frame names node [\(lower), \(upper)), and its kind has none"
        case .payloadSize(let count, let encoding, let payloadBytes):
            "a frame states \(count) elements of \(encoding) and \(payloadBytes) bytes, which do not agree"
        case .payloadTooLarge(let bytes):
            "a frame states a payload of \(bytes) bytes, and at most \(FrameHeader.payloadBytesMax) are allowed"
        case .payloadNotAllowed(let bytes, let kind):
            "a \(kind) frame states a payload of \(bytes) bytes, and its kind has none"
        case .payloadLength(let stated, let received):
            "a frame states a payload of \(stated) bytes, but \(received) came with it"
        }
    }
}

/// Numbers kept for encodings to come; refused until then.
private let reservedEncodings: [UInt8: String] = [3: "bf16", 4: "topk"]

private func hexadecimal(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }

private func numbers(_ values: [UInt8]) -> String { values.map(String.init).joined(separator: ", ") }
