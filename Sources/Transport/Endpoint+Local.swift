import CZeroMQ
import Glibc

extension Endpoint {
    /// The address of this machine from which `other` is reached: the way that packets to it would take. Blocks while a name is resolved.
    ///
    /// - Throws: `TransportError` when the name cannot be resolved or there is no way.
    public static func localHost(toward other: Endpoint) throws(TransportError) -> String {
        if other.isLoopback { return "127.0.0.1" }
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_INET
        unsafe hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(other.host, "\(other.port)", &hints, &found)
        defer { unsafe freeaddrinfo(found) }
        guard code == 0, let first = unsafe found else {
            throw .cannotResolve(host: other.host, reason: unsafe String(cString: gai_strerror(code)))
        }
        // Connecting a datagram socket sends nothing; it only chooses the way.
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system(operation: "socket", code: errno) }
        defer { close(descriptor) }
        guard unsafe connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 else {
            throw .system(operation: "finding the way to \(other)", code: errno)
        }
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        var text = [CChar](repeating: 0, count: Int(INET_ADDRSTRLEN))
        let named = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &size) }
        }
        guard named == 0, unsafe inet_ntop(AF_INET, &address.sin_addr, &text, socklen_t(INET_ADDRSTRLEN)) != nil else {
            throw .system(operation: "getsockname", code: errno)
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
