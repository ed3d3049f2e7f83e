import CZeroMQ
import Glibc
import ParameterServer

/// A ROUTER or DEALER socket of libzmq; made, used and closed by one thread.
@safe
final class RawSocket {
    let context: TransportContext
    let name: String
    let isRouter: Bool
    let handle: UnsafeMutableRawPointer
    private let identityPart: UnsafeMutablePointer<zmq_msg_t>

    /// Opens the socket and sets every option; limits hold only for connections made afterwards.
    init(context: TransportContext, name: String, role: SocketRole, limits: SocketLimits) throws(TransportError) {
        self.context = context
        self.name = name
        if case .dealer = role { isRouter = false } else { isRouter = true }
        unsafe handle = try context.openSocket(type: isRouter ? ZMQ_ROUTER : ZMQ_DEALER, name: name)
        unsafe identityPart = .allocate(capacity: 1)
        unsafe zmq_msg_init(identityPart)
        try setOptions(limits)
        if isRouter {
            // Without it, messages for unknown or full peers would vanish.
            try set(ZMQ_ROUTER_MANDATORY, 1)
            // A second connection of the same identity is an impostor or a ghost: the first one stays.
            try set(ZMQ_ROUTER_HANDOVER, 0)
        }
        switch role {
        case .router: break
        case .peer(_, let identity), .dealer(_, let identity): try setIdentity(identity)
        }
    }

    private func setIdentity(_ identity: WorkerID) throws(TransportError) {
        precondition(identity.rawValue >> 56 != 0, "the first byte of an identity is not zero: libzmq keeps those for itself")
        var bytes = identity.rawValue.bigEndian
        try check(unsafe zmq_setsockopt(handle, ZMQ_ROUTING_ID, &bytes, 8), "ZMQ_ROUTING_ID")
    }

    deinit {
        unsafe context.closeSocket(handle, name: name)
        unsafe zmq_msg_close(identityPart)
        unsafe identityPart.deallocate()
    }

    private func setOptions(_ limits: SocketLimits) throws(TransportError) {
        let highWaterMark = Int32(clamping: limits.highWaterMark)
        try set(ZMQ_SNDHWM, highWaterMark)
        try set(ZMQ_RCVHWM, highWaterMark)
        var messageBytesMax = Int64(limits.acceptedBytesMax)
        try check(unsafe zmq_setsockopt(handle, ZMQ_MAXMSGSIZE, &messageBytesMax, 8), "ZMQ_MAXMSGSIZE")
        try set(ZMQ_LINGER, limits.linger.milliseconds)
        // The loop never blocks in a call of the socket; this holds even where a flag is forgotten.
        try set(ZMQ_SNDTIMEO, 0)
        try set(ZMQ_RCVTIMEO, 0)
        // Nothing is queued for a connection that is not up: what waits, waits in the loop, within its own bound.
        try set(ZMQ_IMMEDIATE, 1)
        try set(ZMQ_HANDSHAKE_IVL, limits.handshake.milliseconds)
        try set(ZMQ_CONNECT_TIMEOUT, limits.connectTimeout.milliseconds)
        try set(ZMQ_RECONNECT_IVL, limits.reconnect.lowerBound.milliseconds)
        try set(ZMQ_RECONNECT_IVL_MAX, limits.reconnect.upperBound.milliseconds)
        // A peer that vanished without a word (power, cable) is noticed by the system after 30 s + 6 × 10 s; the protocol's own
        // heartbeats are faster. ZMTP's are left off: they can end a long transfer.
        try set(ZMQ_TCP_KEEPALIVE, 1)
        try set(ZMQ_TCP_KEEPALIVE_IDLE, 30)
        try set(ZMQ_TCP_KEEPALIVE_INTVL, 10)
        try set(ZMQ_TCP_KEEPALIVE_CNT, 6)
    }

    private func set(_ option: Int32, _ value: Int32) throws(TransportError) {
        var value = value
        try check(unsafe zmq_setsockopt(handle, option, &value, 4), "zmq_setsockopt(\(option))")
    }

    private func check(_ result: Int32, _ operation: String) throws(TransportError) {
        if result == -1 { throw failure(operation) }
    }

    func failure(_ operation: String) -> TransportError {
        let code = zmq_errno()
        return code == ZeroMQErrors.terminated ? .contextTerminated : .system(operation: operation, code: code)
    }

    /// Calls `body` with libzmq's socket, again for as long as a signal interrupts it.
    func withHandle(_ body: (UnsafeMutableRawPointer) -> Int32) -> Int32 { retryingInterrupts { unsafe body(handle) } }

    /// The descriptor that becomes readable when the socket's state may have changed.
    func descriptor() throws(TransportError) -> Int32 {
        var descriptor: Int32 = -1
        var size = 4
        try check(unsafe zmq_getsockopt(handle, ZMQ_FD, &descriptor, &size), "ZMQ_FD")
        return descriptor
    }

    /// Whether a message is there; also takes in what libzmq's threads have reported.
    func isReadable() throws(TransportError) -> Bool {
        var events: Int32 = 0
        var size = 4
        try check(retryingInterrupts { unsafe zmq_getsockopt(handle, ZMQ_EVENTS, &events, &size) }, "ZMQ_EVENTS")
        return events & ZMQ_POLLIN != 0
    }
}

extension RawSocket {
    /// What a try to send came to.
    enum SendResult { case sent, full, unreachable, terminated }

    /// Sends a message to `peer` if there is room; its parts are taken only if it is sent. Never blocks.
    func send(_ message: OutgoingMessage, to peer: WorkerID?) -> SendResult {
        if let peer {
            var identity = peer.rawValue.bigEndian
            let result = retryingInterrupts { unsafe zmq_send(handle, &identity, 8, ZMQ_DONTWAIT | ZMQ_SNDMORE) }
            if result == -1 { return failedSend() }
        }
        for index in 0..<message.partCount {
            let flags = index + 1 < message.partCount ? ZMQ_DONTWAIT | ZMQ_SNDMORE : ZMQ_DONTWAIT
            guard retryingInterrupts({ unsafe zmq_msg_send(message.parts + index, handle, flags) }) == -1 else { continue }
            let result = failedSend()
            // A dealer whose connection ends between two parts takes the first one back: the message is lost with the connection.
            return result == .full && index > 0 ? .unreachable : result
        }
        return .sent
    }

    private func failedSend() -> SendResult {
        switch zmq_errno() {
        case EAGAIN: .full
        case EHOSTUNREACH: .unreachable
        case ZeroMQErrors.terminated: .terminated
        case let code: preconditionFailure("a send failed: \(text(ofError: code)) (\(code))")
        }
    }

    /// What a try to receive came to.
    enum ReceiveResult { case message, nothing, stranger, malformed, terminated }

    /// Receives a message into `message`, which nobody else uses. Never blocks.
    func receive(into message: ReceivedMessage) -> ReceiveResult {
        message.clear()
        var known = true
        if isRouter {
            guard unsafe receivePart(identityPart) else { return nothingOrTerminated() }
            message.peer = peerIdentity()
            known = message.peer != nil
        }
        var more = true
        var whole = true
        while more {
            if known && message.partCount < message.partsMax {
                let part = unsafe message.parts + message.partCount
                unsafe zmq_msg_init(part)
                guard unsafe receivePart(part) else {
                    unsafe zmq_msg_close(part)
                    return message.partCount == 0 && !isRouter ? nothingOrTerminated() : .malformed
                }
                message.partCount += 1
                more = unsafe zmq_msg_more(part) != 0
            } else {
                // Surplus parts and those of strangers are read, so that the next message is found, and forgotten.
                whole = false
                guard unsafe receivePart(identityPart) else { return .malformed }
                more = unsafe zmq_msg_more(identityPart) != 0
            }
        }
        return known ? (whole ? .message : .malformed) : .stranger
    }

    private func receivePart(_ part: UnsafeMutablePointer<zmq_msg_t>) -> Bool {
        retryingInterrupts { unsafe zmq_msg_recv(part, handle, ZMQ_DONTWAIT) } != -1
    }

    private func nothingOrTerminated() -> ReceiveResult { zmq_errno() == ZeroMQErrors.terminated ? .terminated : .nothing }

    /// The worker whose identity was read; nil for identities that are not a worker's.
    private func peerIdentity() -> WorkerID? {
        guard unsafe zmq_msg_size(identityPart) == 8, let bytes = unsafe zmq_msg_data(identityPart) else { return nil }
        let value = unsafe UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
        return value >> 56 == 0 ? nil : WorkerID(rawValue: value)
    }
}
