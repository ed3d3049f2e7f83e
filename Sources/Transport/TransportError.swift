import ParameterServer

/// Why a socket could not be opened, or ended.
public enum TransportError: Error, Hashable, Sendable, CustomStringConvertible {
    case portInUse(Endpoint)
    case addressNotLocal(Endpoint)
    case permissionDenied(Endpoint)
    case cannotResolve(host: String, reason: String)
    /// Nobody can be reached at a wildcard or at port 0.
    case notReachable(Endpoint)
    case contextTerminated
    /// A socket loop did not come up in time.
    case startDeadline(name: String, waited: Duration)
    /// A socket loop did not end in time.
    case joinDeadline(name: String, waited: Duration)
    /// Socket loops were still open when the context was to end.
    case socketsOpen(names: [String], waited: Duration)
    case system(operation: String, code: Int32)

    /// One sentence: what happened, the value seen, what to do.
    public var description: String {
        switch self {
        case .portInUse(let endpoint): "port \(endpoint.port) on \(endpoint.host) is taken; pass --port to choose another"
        case .addressNotLocal(let endpoint):
            "\(endpoint.host) is not an address of this machine, so nothing can listen on \(endpoint); bind to * or to one of its own"
        case .permissionDenied(let endpoint):
            "listening on \(endpoint) is not permitted; choose a port above 1023"
        case .cannotResolve(let host, let reason):
            "the host '\(host)' cannot be resolved (\(reason)); check its name or give its IPv4 address"
        case .notReachable(let endpoint): "nobody can be reached at \(endpoint); give the host and the port of the other side"
        case .contextTerminated: "the transport is shut down; no socket works any more"
        case .startDeadline(let name, let waited):
            "the socket loop \(name) was awaited for \(seconds(waited)) to open its socket and did not; check name resolution on this machine"
        case .joinDeadline(let name, let waited):
            "the socket loop \(name) was awaited for \(seconds(waited)) to end and did not; its handler is busy or blocked"
        case .socketsOpen(let names, let waited):
            "the socket loops \(names.joined(separator: ", ")) were awaited for \(seconds(waited)) to close and did not; stop them first"
        case .system(let operation, let code): "\(operation) failed: \(text(ofError: code)) (\(code))"
        }
    }
}

/// Why a message was not sent.
public enum SendError: Error, Hashable, Sendable, CustomStringConvertible {
    /// No connection of this peer is up.
    case unreachable(WorkerID)
    /// The peer does not read, and as much as is allowed waits for it already; `nil` is the other end of a dealer.
    case overflow(WorkerID?, pendingBytes: Int, pendingBytesMax: Int)
    case contextTerminated

    /// One sentence: what happened, the value seen, what to do.
    public var description: String {
        switch self {
        case .unreachable(let peer): "\(peer) is not connected; it must connect again before anything can be sent to it"
        case .overflow(let peer, let pendingBytes, let pendingBytesMax):
            "\(peer.map(\.description) ?? "the other side") does not read: \(pendingBytes) bytes wait for it and \(pendingBytesMax) may; "
                + "send less at a time or wait for it"
        case .contextTerminated: "the transport is shut down; nothing can be sent any more"
        }
    }
}

/// Why a post was not taken.
public enum PostError: Error, Hashable, Sendable, CustomStringConvertible {
    case full(loop: String, capacity: Int)
    case ended(loop: String)

    /// One sentence: what happened, the value seen, what to do.
    public var description: String {
        switch self {
        case .full(let loop, let capacity): "the inbox of \(loop) holds \(capacity) posts already; post less or wait for it"
        case .ended(let loop): "the socket loop \(loop) has ended; nothing can be posted to it"
        }
    }
}

private func seconds(_ duration: Duration) -> String { "\(Double(duration.milliseconds) / 1000) s" }
