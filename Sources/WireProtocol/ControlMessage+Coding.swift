import Foundation

extension ControlMessage {
    /// The message as JSON, with sorted keys: the same message is always the same bytes.
    ///
    /// - Throws: `ControlMessageError.value` or `.length` when a field is outside of the limits that the other side checks.
    public func encoded() throws(ControlMessageError) -> [UInt8] {
        try body.check(FieldChecker(kind: kind))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data: Data
        do {
            data = try encoder.encode(Envelope(message: self))
        } catch {
            // Every field is a string, an integer or a list of integers, which JSON can always hold.
            preconditionFailure("a \(kind.rawValue) message could not be encoded: \(error)")
        }
        guard data.count <= Self.byteCountMax else { throw .length(data.count) }
        return [UInt8](data)
    }

    /// Reads a message from bytes that nobody vouches for; never traps.
    ///
    /// A message of another version is refused with that version, except `refused`, which every version reads.
    /// - Throws: `ControlMessageError`, which names the first thing that is wrong.
    public static func decode(_ bytes: [UInt8]) throws(ControlMessageError) -> ControlMessage {
        guard bytes.count <= byteCountMax else { throw .length(bytes.count) }
        let data = Data(bytes)
        let decoder = JSONDecoder()
        let head: Head
        do { head = try decoder.decode(Head.self, from: data) } catch { throw .notJSON(reason: reason(of: error)) }
        guard head.v == version || head.kind == Kind.refused.rawValue else { throw .version(head.v) }
        guard let kind = Kind(rawValue: head.kind) else { throw .unknownKind(head.kind) }
        let message: ControlMessage
        do {
            message = try kind.decode(decoder, data)
        } catch {
            throw .field(kind: kind, path: path(of: error), reason: reason(of: error))
        }
        try message.body.check(FieldChecker(kind: kind))
        return message
    }

    /// Reads a message from bytes that nobody vouches for; never traps.
    public static func decode(_ bytes: RawSpan) throws(ControlMessageError) -> ControlMessage {
        guard bytes.byteCount <= byteCountMax else { throw .length(bytes.byteCount) }
        // The copy is the only use of the pointer.
        return try decode(unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) })
    }
}

extension ControlMessage.Kind {
    fileprivate func decode(_ decoder: JSONDecoder, _ data: Data) throws -> ControlMessage {
        switch self {
        case .hello: .hello(try decoder.decode(ControlMessage.Hello.self, from: data))
        case .ready: .ready(try decoder.decode(ControlMessage.Ready.self, from: data))
        case .synchronized: .synchronized(try decoder.decode(ControlMessage.Synchronized.self, from: data))
        case .workerHeartbeat: .workerHeartbeat(try decoder.decode(ControlMessage.WorkerHeartbeat.self, from: data))
        case .stepTimes: .stepTimes(try decoder.decode(ControlMessage.StepTimes.self, from: data))
        case .leaving: .leaving(try decoder.decode(ControlMessage.Leaving.self, from: data))
        case .failed: .failed(try decoder.decode(ControlMessage.Failed.self, from: data))
        case .welcome: .welcome(try decoder.decode(ControlMessage.Welcome.self, from: data))
        case .refused: .refused(try decoder.decode(ControlMessage.Refused.self, from: data))
        case .assignment: .assignment(try decoder.decode(ControlMessage.AssignmentNotice.self, from: data))
        case .coordinatorHeartbeat: .coordinatorHeartbeat(try decoder.decode(ControlMessage.CoordinatorHeartbeat.self, from: data))
        case .stop: .stop(try decoder.decode(ControlMessage.Stop.self, from: data))
        case .rejoin: .rejoin(try decoder.decode(ControlMessage.Rejoin.self, from: data))
        case .peers: .peers(try decoder.decode(ControlMessage.Peers.self, from: data))
        case .statusRequest: .statusRequest(try decoder.decode(ControlMessage.StatusRequest.self, from: data))
        case .stopRequest: .stopRequest(try decoder.decode(ControlMessage.StopRequest.self, from: data))
        case .status: .status(try decoder.decode(ControlMessage.Status.self, from: data))
        }
    }
}

/// What every message begins with.
private struct Head: Decodable {
    var v: Int
    var kind: String
}

/// The head and the fields in one object.
private struct Envelope: Encodable {
    enum Key: String, CodingKey { case v, kind }

    var message: ControlMessage

    func encode(to encoder: any Encoder) throws {
        var head = encoder.container(keyedBy: Key.self)
        try head.encode(ControlMessage.version, forKey: .v)
        try head.encode(message.kind.rawValue, forKey: .kind)
        try message.body.encode(to: encoder)
    }
}

private func path(of error: any Error) -> String {
    guard let error = error as? DecodingError else { return "?" }
    let keys: [any CodingKey] =
        switch error {
        case .keyNotFound(let key, let context): context.codingPath + [key]
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context): context.codingPath
        @unknown default: []
        }
    return keys.map(\.stringValue).joined(separator: ".")
}

private func reason(of error: any Error) -> String {
    guard let error = error as? DecodingError else { return "it cannot be read" }
    switch error {
    case .keyNotFound(let key, _): return "\(key.stringValue) is missing"
    case .typeMismatch(let type, _): return "\(type) is expected"
    case .valueNotFound: return "it is null"
    case .dataCorrupted(let context): return context.debugDescription
    @unknown default: return "it cannot be read"
    }
}
