/// A TCP address: `127.0.0.1:7700`, `node-3:7700`, `*:0`.
///
/// Port 0 lets the system choose one when a socket is bound. The host is an IPv4 address, a name, or `*` for every address of this machine.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// An IPv4 address, a name, or `*`.
    public let host: String
    /// The TCP port.
    public let port: UInt16

    /// The loopback address of this machine.
    public static func loopback(port: UInt16 = 0) -> Endpoint { Endpoint(checkedHost: "127.0.0.1", port: port) }

    /// Reads `host:port` or `tcp://host:port`.
    ///
    /// - Throws: `EndpointError` when it is neither.
    public init(parsing text: String) throws(EndpointError) {
        let address = text.hasPrefix("tcp://") ? text.dropFirst(6) : text[...]
        guard let colon = address.lastIndex(of: ":") else { throw .noPort(text) }
        let host = String(address[..<colon])
        let digits = address[address.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = UInt16(digits)
        else { throw .badPort(text, port: String(digits)) }
        try self.init(host: host, port: port)
    }

    /// The address of `port` at `host`.
    ///
    /// - Throws: `EndpointError.badHost` when the host cannot be an IPv4 address, a name or `*`.
    public init(host: String, port: UInt16) throws(EndpointError) {
        let allowed = host.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard host == "*" || allowed && (1...253).contains(host.utf8.count) else { throw .badHost(host) }
        self.init(checkedHost: host, port: port)
    }

    private init(checkedHost: String, port: UInt16) {
        host = checkedHost
        self.port = port
    }

    /// `host:port`.
    public var description: String { "\(host):\(port)" }

    /// Whether it stands for every address of this machine.
    public var isWildcard: Bool { host == "*" || host == "0.0.0.0" }

    /// Whether only this machine can reach it.
    public var isLoopback: Bool { host == "localhost" || isIPv4 && host.hasPrefix("127.") }

    /// Whether the host is four numbers below 256.
    var isIPv4: Bool {
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers.allSatisfy { UInt8($0) != nil && !$0.hasPrefix("+") }
    }

    /// The address as libzmq reads it.
    var address: String { "tcp://\(host):\(port)" }
}

/// Why a text is not an endpoint.
public enum EndpointError: Error, Hashable, Sendable, CustomStringConvertible {
    case noPort(String)
    case badPort(String, port: String)
    case badHost(String)

    /// One sentence: what happened, the value seen, what to do.
    public var description: String {
        switch self {
        case .noPort(let text): "'\(text.prefix(300))' has no port; write host:port, for example 127.0.0.1:7700"
        case .badPort(let text, let port):
            "'\(text.prefix(300))' has port '\(port.prefix(40))'; a port is a number from 0 to 65535, 0 to let the system choose"
        case .badHost(let host):
            "'\(host.prefix(300))' is not a host; write an IPv4 address, a name, or * for every address of this machine"
        }
    }
}
