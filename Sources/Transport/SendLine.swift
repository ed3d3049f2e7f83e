import Synchronization

/// How many bytes of shared payloads libzmq has been handed for one peer and has not passed on to the system, so that a sender can keep
/// what is not urgent to itself.
///
/// Written by the loop and by libzmq's I/O thread; wakes the loop when it was asked to.
public final class SendLine: Sendable {
    private let underway = Atomic<Int>(0)
    private let isAwaited = Atomic<Bool>(false)
    private let wake: WakeSignal?

    init(wake: WakeSignal?) { self.wake = wake }

    /// Bytes that libzmq has and has not passed on.
    public var byteCount: Int { underway.load(ordering: .sequentiallyConsistent) }

    /// Whether there is room for `bytes` more within `limit`, or nothing is underway. Where there is none, the loop is woken, and its
    /// handler told that it has `settled`, after the next bytes have left.
    public func hasRoom(for bytes: Int, within limit: Int) -> Bool {
        if fits(bytes, limit) { return true }
        isAwaited.store(true, ordering: .sequentiallyConsistent)
        // What left meanwhile may not have seen that it is awaited.
        return fits(bytes, limit)
    }

    private func fits(_ bytes: Int, _ limit: Int) -> Bool {
        let count = byteCount
        return count == 0 || count + bytes <= limit
    }

    func entered(_ bytes: Int) { underway.add(bytes, ordering: .sequentiallyConsistent) }

    /// Runs on libzmq's I/O thread: no lock.
    func left(_ bytes: Int) {
        underway.subtract(bytes, ordering: .sequentiallyConsistent)
        if isAwaited.exchange(false, ordering: .sequentiallyConsistent) { wake?.signal() }
    }
}
