import Foundation
import Synchronization
import Transport

/// A thread of our own, for work that blocks: computing, recording. Never Swift's cooperative pool.
final class ServiceThread: Sendable {
    private let ended = Mailbox<Bool>(capacity: 1)

    /// Starts `body` on a new thread with an 8 MiB stack.
    init(name: String, _ body: @escaping @Sendable () -> Void) {
        let ended = ended
        let thread = Thread {
            // Foundation's own name of a thread reaches the system only if the thread runs already.
            CurrentThread.setName(name)
            body()
            _ = ended.offer(true)
        }
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Waits until the body has returned, at most `limit`; false when it has not.
    func join(within limit: Duration) -> Bool {
        guard ended.take(within: limit) != nil else { return false }
        _ = ended.offer(true)
        return true
    }
}
