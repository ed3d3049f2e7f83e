import Glibc

func currentThread() -> UInt { UInt(pthread_self()) }

func yieldProcessor() { sched_yield() }

/// The names in a folder, or none.
func names(in folder: String) -> [String] {
    guard let stream = unsafe opendir(folder) else { return [] }
    defer { unsafe closedir(stream) }
    var found: [String] = []
    while let entry = unsafe readdir(stream) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
        }
        if name != "." && name != ".." { found.append(name) }
    }
    return found
}

/// Descriptors that the process has open; one of them reads the folder.
func openDescriptors() -> Int { names(in: "/proc/self/fd").count }

/// The names of the process's threads.
func threadNames() -> [String] {
    names(in: "/proc/self/task").map { task in
        guard let file = unsafe fopen("/proc/self/task/\(task)/comm", "r") else { return "" }
        defer { unsafe fclose(file) }
        var line = [CChar](repeating: 0, count: 64)
        _ = unsafe fgets(&line, 63, file)
        return String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A TCP port of the loopback address at which nobody listens, and which the system gives to nobody who asks for any port.
///
/// A router of libzmq may still bind to it by its number, since both allow the address to be used again.
final class ReservedPort {
    private let descriptor: Int32
    let number: UInt16

    init?() {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var yes: Int32 = 1
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
        var address = loopbackAddress(port: 0)
        var size = socklen_t(16)
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, 16) | getsockname(descriptor, $0, &size)
            }
        }
        self.descriptor = descriptor
        number = UInt16(bigEndian: address.sin_port)
        if result != 0 { return nil }
    }

    deinit { close(descriptor) }
}

private func loopbackAddress(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}

/// A TCP connection that speaks byte by byte, to play a peer that no library would.
final class RawConnection {
    private let descriptor: Int32

    init?(port: UInt16) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopbackAddress(port: port)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe connect(descriptor, $0, 16) }
        }
        if result != 0 { return nil }
    }

    deinit { close(descriptor) }

    /// Sends everything, or less when the other side has closed.
    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(descriptor, buffer.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            sent += count
        }
    }

    /// Receives exactly `count` bytes, or fewer when the other side has closed.
    func receive(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let received = unsafe recv(descriptor, &bytes, count, Int32(MSG_WAITALL))
        return Array(bytes.prefix(max(0, received)))
    }

    /// Shakes hands as a DEALER of ZMTP 3.0 without security; empty: no identity.
    func shakeHands(identity: [UInt8]) {
        var greeting: [UInt8] = [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 0] + Array("NULL".utf8)
        greeting += [UInt8](repeating: 0, count: 64 - greeting.count)
        send(greeting)
        _ = receive(64)
        var ready: [UInt8] = [5] + Array("READY".utf8) + property("Socket-Type", Array("DEALER".utf8))
        ready += property("Identity", identity)
        send([4, UInt8(ready.count)] + ready)
        let head = receive(2)
        if head.count == 2 { _ = receive(Int(head[1])) }
    }

    private func property(_ name: String, _ value: [UInt8]) -> [UInt8] {
        [UInt8(name.utf8.count)] + Array(name.utf8) + [0, 0, 0, UInt8(value.count)] + value
    }

    /// Sends one message of short parts.
    func send(parts: [[UInt8]]) {
        for (index, part) in parts.enumerated() { send([index + 1 < parts.count ? 1 : 0, UInt8(part.count)] + part) }
    }
}
