import Glibc
import ParameterServer

/// A value that threads change and wait for; any thread may do either, and no wait is without a limit.
@safe
public final class Monitor<Value>: @unchecked Sendable {
    // Sendable: the value is touched only with the mutex held.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var value: Value

    public init(_ value: sending Value) {
        self.value = value
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    /// Changes the value and wakes whoever waits for it.
    public func update<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        let result = body(&value)
        unsafe pthread_cond_broadcast(condition)
        return result
    }

    /// Waits until `condition` yields something, at most for `duration`; nil when it did not.
    public func wait<Result: Sendable>(atMost duration: Duration, until satisfied: (Value) -> Result?) -> Result? {
        let deadline = (MonotonicClock.now() + duration).sinceStart.components
        var time = timespec(tv_sec: Int(deadline.seconds), tv_nsec: Int(deadline.attoseconds / 1_000_000_000))
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while true {
            if let result = satisfied(value) { return result }
            if unsafe pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { return satisfied(value) }
        }
    }
}
