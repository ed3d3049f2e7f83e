import CZeroMQ
import Glibc
import ParameterServer

extension RawSocket {
    /// Binds or connects the socket; returns the endpoint with the port that was chosen. Blocks while a name is resolved.
    func attach(_ role: SocketRole) throws(TransportError) -> Endpoint {
        switch role {
        case .router(let endpoint), .peer(let endpoint?, _): try bind(endpoint)
        case .peer(nil, _): .loopback()
        case .dealer(let endpoint, _): try connect(endpoint)
        }
    }

    private func bind(_ endpoint: Endpoint) throws(TransportError) -> Endpoint {
        // libzmq binds to numbers only.
        let host = endpoint.isWildcard ? "*" : try Self.resolve(endpoint.host)
        guard unsafe withHandle({ unsafe zmq_bind($0, "tcp://\(host):\(endpoint.port)") }) == -1 else {
            return try boundEndpoint(as: endpoint)
        }
        throw Self.bindError(zmq_errno(), endpoint)
    }

    /// What an error number of a bind means.
    static func bindError(_ code: Int32, _ endpoint: Endpoint) -> TransportError {
        switch code {
        case EADDRINUSE: .portInUse(endpoint)
        case EADDRNOTAVAIL, ENODEV: .addressNotLocal(endpoint)
        case EACCES: .permissionDenied(endpoint)
        case ZeroMQErrors.terminated: .contextTerminated
        default: .system(operation: "listening on \(endpoint)", code: code)
        }
    }

    private func boundEndpoint(as endpoint: Endpoint) throws(TransportError) -> Endpoint {
        unsafe try Self.boundEndpoint(of: handle, as: endpoint)
    }

    /// Where a bound socket of libzmq listens, by the host's name in `endpoint`.
    static func boundEndpoint(of socket: UnsafeMutableRawPointer, as endpoint: Endpoint) throws(TransportError) -> Endpoint {
        var text = [CChar](repeating: 0, count: 256)
        var size = text.count
        guard unsafe zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, &text, &size) == 0 else {
            throw .system(operation: "ZMQ_LAST_ENDPOINT", code: zmq_errno())
        }
        let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let bound = try? Endpoint(parsing: address), let named = try? Endpoint(host: endpoint.host, port: bound.port) else {
            throw .system(operation: "reading the bound address '\(address)'", code: EINVAL)
        }
        return named
    }

    /// Connects in the background. libzmq looks the name up again at every attempt, so a peer may come back under another address.
    @discardableResult
    func connect(_ endpoint: Endpoint) throws(TransportError) -> Endpoint {
        guard endpoint.port != 0, !endpoint.isWildcard else { throw .notReachable(endpoint) }
        // libzmq would try a name that does not exist for ever, in silence.
        _ = try Self.resolve(endpoint.host)
        guard unsafe withHandle({ unsafe zmq_connect($0, endpoint.address) }) == 0 else {
            throw failure("connecting to \(endpoint)")
        }
        return endpoint
    }

    /// Ends the connections that `connect` made; what it did not make is none of its.
    func disconnect(_ endpoint: Endpoint) { unsafe _ = withHandle { unsafe zmq_disconnect($0, endpoint.address) } }

    /// The host's first IPv4 address.
    static func resolve(_ host: String) throws(TransportError) -> String {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_INET
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, nil, &hints, &found)
        defer { unsafe freeaddrinfo(found) }
        guard code == 0, let first = unsafe found else {
            throw .cannotResolve(host: host, reason: unsafe String(cString: gai_strerror(code)))
        }
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let named = unsafe getnameinfo(
            first.pointee.ai_addr, first.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        guard named == 0 else { throw .cannotResolve(host: host, reason: unsafe String(cString: gai_strerror(named))) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
