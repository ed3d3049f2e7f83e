import CZeroMQ
import Glibc

/// libzmq's context: its I/O threads, shared by the socket loops of a process.
@safe
public final class TransportContext: @unchecked Sendable {
    // Sendable: a context of libzmq may be used by every thread; what changes is in the monitor.
    private struct State {
        var openSockets: [String] = []
        /// No socket opens any more.
        var closing = false
        /// The context is gone.
        var closed = false
    }

    private let handle: UnsafeMutableRawPointer
    private let state = Monitor(State())

    /// A context with `ioThreads` threads that move bytes; a connection lives on one of them.
    ///
    /// - Throws: `TransportError.system` when the system refuses.
    public init(ioThreads: Int = 1, socketsMax: Int = 256) throws(TransportError) {
        precondition(ioThreads >= 1 && socketsMax >= 1, "a context moves bytes between sockets")
        guard let handle = unsafe zmq_ctx_new() else { throw .system(operation: "zmq_ctx_new", code: zmq_errno()) }
        unsafe self.handle = handle
        unsafe zmq_ctx_set(handle, ZMQ_IO_THREADS, Int32(ioThreads))
        unsafe zmq_ctx_set(handle, ZMQ_MAX_SOCKETS, Int32(socketsMax))
        unsafe zmq_ctx_set(handle, ZMQ_IPV6, 0)
        // Sockets without a linger of their own do not hold up the end; ours set one.
        unsafe zmq_ctx_set(handle, ZMQ_BLOCKY, 0)
    }

    deinit {
        // Every open socket's loop holds the context, so none is open: the call waits for their linger at most.
        if !state.update({ $0.closed }) { unsafe zmq_ctx_term(handle) }
    }

    /// Ends every loop (each with `contextTerminated`), waits until their sockets are closed and frees the context.
    ///
    /// Blocks the calling thread for at most `deadline` and the longest linger. Calling it again does nothing.
    /// - Throws: `TransportError.socketsOpen` with the loops that have not closed by then; the context stays shut down.
    public func close(deadline: Duration) throws(TransportError) {
        let first = state.update { state in
            defer { state.closing = true }
            return !state.closing
        }
        if first { unsafe zmq_ctx_shutdown(handle) }
        guard state.wait(atMost: deadline, until: { $0.openSockets.isEmpty ? true : nil }) != nil else {
            throw .socketsOpen(names: state.update { $0.openSockets }, waited: deadline)
        }
        let last = state.update { state in
            defer { state.closed = true }
            return !state.closed
        }
        if last { _ = retryingInterrupts { unsafe zmq_ctx_term(handle) } }
    }

    /// Opens a socket of libzmq for the calling thread, which closes it by `closeSocket`.
    func openSocket(type: Int32, name: String) throws(TransportError) -> UnsafeMutableRawPointer {
        let allowed = state.update { state in
            if !state.closing { state.openSockets.append(name) }
            return !state.closing
        }
        guard allowed else { throw .contextTerminated }
        if let socket = unsafe zmq_socket(handle, type) { return unsafe socket }
        let code = zmq_errno()
        forgetSocket(name: name)
        throw code == ZeroMQErrors.terminated ? .contextTerminated : .system(operation: "zmq_socket", code: code)
    }

    /// Closes a socket on the thread that opened it.
    func closeSocket(_ socket: UnsafeMutableRawPointer, name: String) {
        unsafe zmq_close(socket)
        forgetSocket(name: name)
    }

    private func forgetSocket(name: String) {
        state.update { state in
            if let index = state.openSockets.firstIndex(of: name) { state.openSockets.remove(at: index) }
        }
    }
}
