import CZeroMQ
import Glibc

/// What wakes a socket's thread from its poll; any thread may signal.
final class WakeSignal: Sendable {
    let descriptor: Int32

    init() throws(TransportError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard descriptor >= 0 else { throw .system(operation: "eventfd", code: errno) }
    }

    deinit { close(descriptor) }

    /// Makes the descriptor readable. Never blocks: a full counter is readable already.
    func signal() {
        var one: UInt64 = 1
        _ = unsafe write(descriptor, &one, 8)
    }

    /// Makes the descriptor unreadable until the next signal.
    func clear() {
        var count: UInt64 = 0
        _ = unsafe read(descriptor, &count, 8)
    }
}
