import CProcessorCores
import CZeroMQ
import Glibc
import Synchronization

/// A thread of its own with a stack of a given size, outside of Swift's cooperative pool, which blocking calls would starve.
///
/// It blocks every signal, so that signals reach the threads that expect them, and asks for short turns of the processor: a message is
/// served soon although every core computes. libzmq's threads are its children and inherit both.
final class DedicatedThread: Sendable {
    private enum State: Sendable {
        case running(pthread_t)
        case joined
    }

    private let state: Mutex<State>

    /// Starts `body` on a new thread. The system shows the first 15 bytes of `name`.
    init(name: String, stackBytes: Int, _ body: @escaping @Sendable () -> Void) throws(TransportError) {
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        defer { unsafe pthread_attr_destroy(&attributes) }
        unsafe pthread_attr_setstacksize(&attributes, stackBytes)
        let start = unsafe Unmanaged.passRetained(Start(name: name, body: body))
        // The new thread inherits the mask, so it never sees a signal, not even at its first instruction.
        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_BLOCK, &all, &before)
        var thread = pthread_t()
        let code = unsafe pthread_create(&thread, &attributes, runThread, start.toOpaque())
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        guard code == 0 else {
            unsafe start.release()
            throw .system(operation: "pthread_create", code: code)
        }
        state = Mutex(.running(thread))
    }

    deinit {
        state.withLock { state in
            if case .running(let thread) = state { pthread_detach(thread) }
        }
    }

    /// Waits for the end of a thread whose body is known to have returned.
    func join() {
        state.withLock { state in
            guard case .running(let thread) = state else { return }
            pthread_join(thread, nil)
            state = .joined
        }
    }
}

private final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private func runThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
    CurrentThread.setName(start.name)
    plumb_favour_latency()
    start.body()
    return nil
}
