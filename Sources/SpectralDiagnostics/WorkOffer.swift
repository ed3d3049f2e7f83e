import Dispatch
import Synchronization

/// A part of one thread's work that another thread, idle meanwhile, may do.
public protocol OfferedWork: AnyObject, Sendable {
    /// Whether nobody has begun it or withdrawn it.
    var isOpen: Bool { get }

    /// Does it, unless it is no longer open. Any thread.
    func run()
}

/// Work that its owner does where it needs the value, unless another thread has done it or is at it by then.
///
/// The work is let go of when it is begun or withdrawn, with all that it holds.
final class WorkOffer<Value: Sendable>: OfferedWork {
    private let work: Mutex<(@Sendable () -> Value)?>
    private let result = Mutex<Value?>(nil)
    private let isDone = DispatchSemaphore(value: 0)

    init(_ work: @escaping @Sendable () -> Value) { self.work = Mutex(work) }

    var isOpen: Bool { work.withLock { $0 != nil } }

    func run() {
        guard let work = take() else { return }
        let value = work()
        result.withLock { $0 = value }
        isDone.signal()
    }

    /// The work's value; on the owner's thread, once and not after withdrawing. Blocking, as another thread may be at it.
    func value() -> Value {
        if let work = take() { return work() }
        isDone.wait()
        guard let value = result.withLock({ $0 }) else { preconditionFailure("work that is done has a value") }
        return value
    }

    /// Nobody begins it any more.
    func withdraw() { _ = take() }

    private func take() -> (@Sendable () -> Value)? {
        work.withLock { work in
            defer { work = nil }
            return work
        }
    }
}
