import CZeroMQ
import Glibc
import ParameterServer

/// One connection of libzmq as it comes, a ROUTER that listens or a DEALER that connects: no loop, no queue, no check, one thread.
///
/// What measurements of a network, and of what is built on libzmq, compare with. Calls block, but never beyond their deadline. Frames are
/// sent from the link's own memory without a copy; those that arrive are not read. Not for several threads.
@safe
public final class BareLink {
    /// Which end of the connection.
    public enum Role: Hashable, Sendable {
        case listen(Endpoint)
        case connect(Endpoint)
    }

    /// Where the link listens, with the port that was chosen, or what it connects to.
    public let endpoint: Endpoint
    private let context: UnsafeMutableRawPointer
    private let socket: UnsafeMutableRawPointer
    /// What has arrived, and what leaves.
    private let part: UnsafeMutablePointer<zmq_msg_t>
    private let outgoing: UnsafeMutablePointer<zmq_msg_t>
    private let isRouter: Bool
    /// The peer's routing id, once it has said something; of a router.
    private var peer: [UInt8] = []
    /// What frames are cut from, one after the other.
    private let source: UnsafeMutableRawBufferPointer
    private var offset = 0

    /// Bytes that a frame may have.
    public static let frameBytesMax = 4 << 20

    /// Opens a context with one I/O thread and a socket in it, which belong to the calling thread.
    ///
    /// - Parameter sourceBytes: bytes of memory that frames are sent from, over and over; at least a frame's.
    /// - Throws: `TransportError` when the system refuses or the port is taken.
    public init(_ role: Role, sourceBytes: Int = frameBytesMax) throws(TransportError) {
        guard let context = unsafe zmq_ctx_new() else { throw .system(operation: "zmq_ctx_new", code: zmq_errno()) }
        let type: Int32
        switch role {
        case .listen: (type, isRouter) = (ZMQ_ROUTER, true)
        case .connect: (type, isRouter) = (ZMQ_DEALER, false)
        }
        guard let socket = unsafe zmq_socket(context, type) else {
            let code = zmq_errno()
            unsafe zmq_ctx_term(context)
            throw .system(operation: "zmq_socket", code: code)
        }
        do throws(TransportError) {
            unsafe try Self.setOptions(socket, isRouter: isRouter)
            endpoint = unsafe try Self.attach(socket, role)
        } catch {
            unsafe zmq_close(socket)
            unsafe zmq_ctx_term(context)
            throw error
        }
        unsafe (self.context, self.socket) = (context, socket)
        unsafe (part, outgoing) = (.allocate(capacity: 1), .allocate(capacity: 1))
        unsafe zmq_msg_init(part)
        unsafe source = .allocate(byteCount: max(sourceBytes, Self.frameBytesMax), alignment: 64)
        unsafe source.initializeMemory(as: UInt8.self, repeating: 1)
    }

    deinit {
        unsafe zmq_msg_close(part)
        unsafe part.deallocate()
        unsafe outgoing.deallocate()
        unsafe zmq_close(socket)
        // Waits for the I/O thread, which reads the memory until then.
        unsafe zmq_ctx_term(context)
        unsafe source.deallocate()
    }

    private static func setOptions(_ socket: UnsafeMutableRawPointer, isRouter: Bool) throws(TransportError) {
        var options: [(Int32, Int32)] = [
            (ZMQ_SNDHWM, 64), (ZMQ_RCVHWM, 64), (ZMQ_LINGER, 5000), (ZMQ_IMMEDIATE, 1), (ZMQ_CONNECT_TIMEOUT, 5000),
            (ZMQ_HANDSHAKE_IVL, 10_000), (ZMQ_RECONNECT_IVL, 50), (ZMQ_RECONNECT_IVL_MAX, 2000),
        ]
        if isRouter { options.append((ZMQ_ROUTER_MANDATORY, 1)) }
        for (option, value) in options {
            var value = value
            guard unsafe zmq_setsockopt(socket, option, &value, 4) == 0 else {
                throw .system(operation: "zmq_setsockopt(\(option))", code: zmq_errno())
            }
        }
        var bytesMax = Int64(frameBytesMax)
        guard unsafe zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytesMax, 8) == 0 else {
            throw .system(operation: "ZMQ_MAXMSGSIZE", code: zmq_errno())
        }
    }

    private static func attach(_ socket: UnsafeMutableRawPointer, _ role: Role) throws(TransportError) -> Endpoint {
        switch role {
        case .listen(let endpoint):
            let host = endpoint.isWildcard ? "*" : try RawSocket.resolve(endpoint.host)
            guard unsafe zmq_bind(socket, "tcp://\(host):\(endpoint.port)") == 0 else {
                throw RawSocket.bindError(zmq_errno(), endpoint)
            }
            return unsafe try RawSocket.boundEndpoint(of: socket, as: endpoint)
        case .connect(let endpoint):
            guard endpoint.port != 0, !endpoint.isWildcard else { throw .notReachable(endpoint) }
            _ = try RawSocket.resolve(endpoint.host)
            guard unsafe zmq_connect(socket, endpoint.address) == 0 else {
                throw .system(operation: "connecting to \(endpoint)", code: zmq_errno())
            }
            return endpoint
        }
    }
}

// MARK: - Messages

extension BareLink {
    /// Sends `message`, a copy, waiting for room at most `limit`.
    ///
    /// - Throws: `BareLinkError`.
    public func send(_ message: [UInt8], within limit: Duration) throws(BareLinkError) {
        let deadline = MonotonicClock.now() + limit
        while true {
            if try begin() {
                let sent = unsafe message.withUnsafeBytes { bytes in
                    retryingInterrupts { unsafe zmq_send(socket, bytes.baseAddress, bytes.count, ZMQ_DONTWAIT) }
                }
                if sent != -1 { return }
                try expectAgain()
            }
            try wait(ZMQ_POLLOUT, deadline, limit, "room for a message")
        }
    }

    /// Receives a message of one part, waiting at most `limit`. A listening link takes the first sender for its peer, and drops what
    /// others send, until `forgetPeer`.
    ///
    /// - Throws: `BareLinkError`.
    public func receive(within limit: Duration) throws(BareLinkError) -> [UInt8] {
        let deadline = MonotonicClock.now() + limit
        while !(try receiveFrame()) { try wait(ZMQ_POLLIN, deadline, limit, "a message") }
        return unsafe [UInt8](UnsafeRawBufferPointer(start: zmq_msg_data(part), count: zmq_msg_size(part)))
    }

    /// Whoever speaks next is the peer.
    public func forgetPeer() { peer = [] }

    /// Sends and receives frames of `frameBytes`, both at once, as fast as libzmq takes and gives them.
    ///
    /// - Throws: `BareLinkError`, also when a frame of another size comes.
    public func exchange(sending: Int, receiving: Int, frameBytes: Int, within limit: Duration) throws(BareLinkError) {
        precondition((1...Self.frameBytesMax).contains(frameBytes), "a frame has bytes, and not too many")
        let deadline = MonotonicClock.now() + limit
        var (sent, received) = (0, 0)
        while sent < sending || received < receiving {
            let before = sent + received
            for _ in 0..<Self.burst where sent < sending {
                guard try sendFrame(frameBytes) else { break }
                sent += 1
            }
            for _ in 0..<Self.burst where received < receiving {
                guard try receiveFrame(frameBytes) else { break }
                received += 1
            }
            if sent + received > before { continue }
            try wait(
                (received < receiving ? ZMQ_POLLIN : 0) | (sent < sending ? ZMQ_POLLOUT : 0), deadline, limit,
                "\(sending - sent) frames to leave and \(receiving - received) to come")
        }
    }

    private static let burst = 32

    /// Sends `count` frames and waits for each to come back before the next; `observe` is told how long each took.
    ///
    /// - Throws: `BareLinkError`.
    public func roundTrips(
        _ count: Int, frameBytes: Int, within limit: Duration, _ observe: (Duration) -> Void
    ) throws(BareLinkError) {
        let deadline = MonotonicClock.now() + limit
        try setReceiveDeadline(limit)
        for _ in 0..<count {
            let start = ContinuousClock.now
            while !(try sendFrame(frameBytes)) { try wait(ZMQ_POLLOUT, deadline, limit, "room for a message") }
            guard MonotonicClock.now() < deadline, try receiveFrame(frameBytes, flags: 0) else {
                throw .silent(endpoint, awaited: "a message to come back", waited: limit)
            }
            observe(ContinuousClock.now - start)
        }
    }

    /// The other end of `roundTrips`.
    ///
    /// - Throws: `BareLinkError`.
    public func echo(_ count: Int, frameBytes: Int, within limit: Duration) throws(BareLinkError) {
        let deadline = MonotonicClock.now() + limit
        try setReceiveDeadline(limit)
        for _ in 0..<count {
            guard MonotonicClock.now() < deadline, try receiveFrame(frameBytes, flags: 0) else {
                throw .silent(endpoint, awaited: "a message to send back", waited: limit)
            }
            while !(try sendFrame(frameBytes)) { try wait(ZMQ_POLLOUT, deadline, limit, "room for a message") }
        }
    }

    /// How long a call that blocks waits for one message.
    private func setReceiveDeadline(_ limit: Duration) throws(BareLinkError) {
        var milliseconds = limit.milliseconds
        guard unsafe zmq_setsockopt(socket, ZMQ_RCVTIMEO, &milliseconds, 4) == 0 else {
            throw .failed(endpoint, reason: text(ofError: zmq_errno()))
        }
    }
}

extension BareLink {
    /// Says whom a router's next part is for; false when there is no room.
    private func begin() throws(BareLinkError) -> Bool {
        guard isRouter else { return true }
        let sent = unsafe peer.withUnsafeBytes { bytes in
            retryingInterrupts { unsafe zmq_send(socket, bytes.baseAddress, bytes.count, ZMQ_DONTWAIT | ZMQ_SNDMORE) }
        }
        if sent != -1 { return true }
        try expectAgain()
        return false
    }

    private func sendFrame(_ byteCount: Int) throws(BareLinkError) -> Bool {
        guard try begin() else { return false }
        if unsafe offset + byteCount > source.count { offset = 0 }
        let data = unsafe source.baseAddress.map { unsafe $0 + offset }
        // Without a function to call there is nothing to count: the memory outlives the context.
        unsafe zmq_msg_init_data(outgoing, data, byteCount, nil, nil)
        if retryingInterrupts({ unsafe zmq_msg_send(outgoing, socket, ZMQ_DONTWAIT) }) == -1 {
            try expectAgain()
            return false
        }
        offset += byteCount
        return true
    }

    private func receiveFrame(_ byteCount: Int, flags: Int32 = ZMQ_DONTWAIT) throws(BareLinkError) -> Bool {
        guard try receiveFrame(flags: flags) else { return false }
        let size = unsafe zmq_msg_size(part)
        guard size == byteCount else { throw .unexpected(endpoint, bytes: size, expected: byteCount) }
        return true
    }

    /// Receives into `part` what the peer has sent, or whoever a router has heard first; what comes from others is dropped.
    private func receiveFrame(flags: Int32 = ZMQ_DONTWAIT) throws(BareLinkError) -> Bool {
        while true {
            guard try receivePart(flags) else { return false }
            guard isRouter else { return try isWhole() }
            let sender = unsafe [UInt8](UnsafeRawBufferPointer(start: zmq_msg_data(part), count: zmq_msg_size(part)))
            guard try receivePart() else { return false }
            let isWhole = try isWhole()
            if peer.isEmpty { peer = sender }
            if isWhole && sender == peer { return true }
        }
    }

    /// Whether the message has one part; the rest of a longer one is dropped.
    private func isWhole() throws(BareLinkError) -> Bool {
        var isWhole = true
        while unsafe zmq_msg_more(part) != 0 {
            isWhole = false
            guard try receivePart() else { return false }
        }
        return isWhole
    }

    private func receivePart(_ flags: Int32 = ZMQ_DONTWAIT) throws(BareLinkError) -> Bool {
        if retryingInterrupts({ unsafe zmq_msg_recv(part, socket, flags) }) != -1 { return true }
        try expectAgain()
        return false
    }

    private func expectAgain() throws(BareLinkError) {
        switch zmq_errno() {
        case EAGAIN: break
        case EHOSTUNREACH: throw .lost(endpoint)
        case let code: throw .failed(endpoint, reason: text(ofError: code))
        }
    }

    private func wait(_ events: Int32, _ deadline: Instant, _ limit: Duration, _ awaited: String) throws(BareLinkError) {
        var item = unsafe zmq_pollitem_t()
        unsafe item.socket = unsafe socket
        unsafe item.events = Int16(events)
        let left = deadline - MonotonicClock.now()
        guard left > .zero else { throw .silent(endpoint, awaited: awaited, waited: limit) }
        _ = unsafe zmq_poll(&item, 1, Int(left.milliseconds))
    }
}

/// Why a bare link could not go on.
public enum BareLinkError: Error, Hashable, Sendable, CustomStringConvertible {
    case silent(Endpoint, awaited: String, waited: Duration)
    case lost(Endpoint)
    case unexpected(Endpoint, bytes: Int, expected: Int)
    case failed(Endpoint, reason: String)

    /// One sentence: what happened, the value seen, what to do.
    public var description: String {
        switch self {
        case .silent(let endpoint, let awaited, let waited):
            "\(endpoint): waited \(Double(waited.milliseconds) / 1000) s for \(awaited); check that the other side runs and that nothing between "
                + "them blocks the port"
        case .lost(let endpoint): "\(endpoint): the other side's connection is gone; start both sides again"
        case .unexpected(let endpoint, let bytes, let expected):
            "\(endpoint): a message of \(bytes) bytes came where \(expected) were expected; run the same build on both sides"
        case .failed(let endpoint, let reason): "\(endpoint): libzmq failed: \(reason)"
        }
    }
}
