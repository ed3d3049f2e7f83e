/// Why a control message was refused.
public enum ControlMessageError: Error, Hashable, Sendable, CustomStringConvertible {
    case length(Int)
    case notJSON(reason: String)
    case version(Int)
    case unknownKind(String)
    /// A field is missing or of the wrong type.
    case field(kind: ControlMessage.Kind, path: String, reason: String)
    /// A field has a value outside of its limits.
    case value(kind: ControlMessage.Kind, field: String, found: String, allowed: String)

    /// One sentence: what happened, the value seen, what to do.
    public var description: String {
        switch self {
        case .length(let bytes):
            "a control message has \(bytes) bytes, and at most \(ControlMessage.byteCountMax) are allowed"
        case .notJSON(let reason):
            "a control message is not a JSON object with v and kind: \(reason); the peer does not speak this protocol"
        case .version(let version):
            "a control message has version \(version), and this build speaks \(ControlMessage.version); run the same build everywhere"
        case .unknownKind(let kind):
            "a control message has kind '\(kind.prefix(64))', and this build knows "
                + ControlMessage.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        case .field(let kind, let path, let reason):
            "a control message of kind \(kind.rawValue) has an unusable field \(path): \(reason)"
        case .value(let kind, let field, let found, let allowed):
            "a control message of kind \(kind.rawValue) has \(field) = \(found), and \(allowed) is allowed"
        }
    }
}
