import ParameterServer

/// The sending side of a loop's socket, lent to the handler for the length of a call.
/// (Not `SocketPort`: Foundation has one.)
///
/// Sends never block: what libzmq has no room for waits here, in order per peer, up to `SocketLimits.pendingBytesMax`.
/// A message that was taken is delivered once and in order for as long as the connection lives; a connection that ends may lose those
/// in flight, and sending them again is the caller's work. A worker whose connection the other side still takes for alive is ignored when
/// it connects again under the same identity: it comes back as a new incarnation.
public struct LoopPort: ~Copyable {
    /// Messages for one peer, oldest first.
    struct Queue {
        let peer: WorkerID?
        var messages: [OutgoingMessage] = []
        /// Messages before this index are sent.
        var head = 0
        var byteCount = 0
    }

    /// Payloads from this size on are sent from a `PayloadBuffer` itself; below it a copy is faster.
    public static let sharedBytesMin = 64 << 10

    let socket: RawSocket
    let limits: SocketLimits
    /// Where the socket listens, or what it connects to.
    public let endpoint: Endpoint
    /// What the loop has counted so far.
    public internal(set) var statistics = SocketStatistics()
    /// In the order in which the peers got stuck; few, mostly none.
    var queues: [Queue] = []
    /// Peers that are to be connected: what is sent to them waits until they are.
    private(set) var awaited: [WorkerID: Endpoint?] = [:]
    private let scratch = OutgoingMessage()
    private let wake: WakeSignal
    var stopRequested = false

    init(socket: RawSocket, limits: SocketLimits, endpoint: Endpoint, wake: WakeSignal) {
        self.wake = wake
        self.socket = socket
        self.limits = limits
        self.endpoint = endpoint
    }

    /// A count of what is underway to one peer, which wakes this loop.
    public func makeLine() -> SendLine { SendLine(wake: wake) }

    /// Asks the loop to end after this call of the handler.
    public mutating func stop() { stopRequested = true }

    /// Has the socket connect to `peer` at `endpoint`, again whenever the connection ends, until `forget`; without an endpoint the peer
    /// connects. What is sent to it meanwhile waits. Blocks while a name is resolved.
    public mutating func await(_ peer: WorkerID, at endpoint: Endpoint?) throws(TransportError) {
        precondition(socket.isRouter, "a dealer has only one peer")
        if awaited[peer] != nil { return }
        if let endpoint { try socket.connect(endpoint) }
        awaited[peer] = .some(endpoint)
    }

    /// Ends the connection to `peer`, if this side made it, and forgets what waits for it.
    public mutating func forget(_ peer: WorkerID) {
        guard let endpoint = awaited.removeValue(forKey: peer) else { return }
        if let endpoint { socket.disconnect(endpoint) }
        guard let index = queues.firstIndex(where: { $0.peer == peer }) else { return }
        statistics.pendingBytes -= queues[index].byteCount
        queues.remove(at: index)
    }

    /// Sends a message of one part. `peer` is nil exactly when the socket is a dealer. Copies.
    public mutating func send(to peer: WorkerID? = nil, _ message: [UInt8]) throws(SendError) {
        try begin(peer, message)
        try finish(peer)
    }

    /// Sends a message of a header and a payload; copies both. An empty payload is left out.
    public mutating func send(to peer: WorkerID? = nil, _ header: [UInt8], payload: RawSpan) throws(SendError) {
        try begin(peer, header)
        precondition(payload.byteCount <= limits.messageBytesMax, "the payload is larger than the socket's own limit")
        if !payload.isEmpty { scratch.append(copying: payload) }
        try finish(peer)
    }

    /// Sends a message of a header and the bytes `range` of `payload`, which is in flight until libzmq has sent it.
    ///
    /// Below `sharedBytesMin` the payload is copied and not in flight. An empty payload is left out.
    public mutating func send(
        to peer: WorkerID? = nil, _ header: [UInt8], payload: PayloadBuffer, range: Range<Int>
    ) throws(SendError) {
        precondition(range.lowerBound >= 0 && range.upperBound <= payload.byteCount, "the range lies in the buffer")
        precondition(range.count <= limits.messageBytesMax, "the payload is larger than the socket's own limit")
        try begin(peer, header)
        if range.count >= Self.sharedBytesMin {
            scratch.append(sharing: payload, range)
        } else if !range.isEmpty {
            payload.withBytes { scratch.append(copying: $0.extracting(range)) }
        }
        try finish(peer)
    }

    private mutating func begin(_ peer: WorkerID?, _ header: [UInt8]) throws(SendError) {
        precondition((peer != nil) == socket.isRouter, "a router names the peer, a dealer has only one")
        precondition(header.count <= limits.messageBytesMax, "the message is larger than the socket's own limit")
        // Bytes of bytes: no padding.
        scratch.append(copying: unsafe header.span.bytes)
    }

    /// Sends what `scratch` holds, or queues it; `scratch` is empty afterwards.
    private mutating func finish(_ peer: WorkerID?) throws(SendError) {
        defer { scratch.clear() }
        // Nothing overtakes what waits already.
        if let index = queues.firstIndex(where: { $0.peer == peer }) { return try enqueue(index, peer) }
        let byteCount = scratch.byteCount
        switch socket.send(scratch, to: peer) {
        case .sent: countSent(byteCount)
        case .full: try enqueue(nil, peer)
        case .unreachable:
            // A dealer has only one peer, which it looks for by itself.
            guard let peer else { statistics.messagesUndelivered += 1; return }
            if awaited[peer] != nil { return try enqueue(nil, peer) }
            throw .unreachable(peer)
        case .terminated: throw .contextTerminated
        }
    }

    private mutating func enqueue(_ index: Int?, _ peer: WorkerID?) throws(SendError) {
        let cost = scratch.byteCount + OutgoingMessage.overheadBytes
        let waiting = index.map { queues[$0].byteCount } ?? 0
        guard waiting + cost <= limits.pendingBytesMax else {
            throw .overflow(peer, pendingBytes: waiting, pendingBytesMax: limits.pendingBytesMax)
        }
        if index == nil { queues.append(Queue(peer: peer)) }
        let message = OutgoingMessage()
        message.move(from: scratch)
        let place = index ?? queues.count - 1
        queues[place].messages.append(message)
        queues[place].byteCount += cost
        statistics.pendingBytes += cost
    }

    mutating func countSent(_ byteCount: Int) {
        statistics.messagesSent += 1
        statistics.bytesSent += UInt64(byteCount)
    }
}
