import CZeroMQ
import Glibc
import ParameterServer
import Synchronization

/// The body of a loop's thread: opens the socket, runs the loop, closes the socket. Returns the error that ended the loop, if one did.
func runSocketLoop<Handler: SocketHandler>(
    _ shared: LoopShared<Handler.Post>, _ context: TransportContext, _ role: SocketRole, _ limits: SocketLimits,
    _ makeHandler: @Sendable () throws -> Handler
) -> TransportError? {
    var thread: SocketThread<Handler>
    do {
        let socket = try RawSocket(context: context, name: shared.name, role: role, limits: limits)
        let endpoint = try socket.attach(role)
        thread = SocketThread(
            handler: try makeHandler(), port: LoopPort(socket: socket, limits: limits, endpoint: endpoint, wake: shared.wake),
            shared: shared,
            descriptor: try socket.descriptor())
    } catch {
        shared.started.update { $0 = .failure(error) }
        return nil
    }
    let endpoint = thread.port.endpoint
    shared.started.update { $0 = .success(endpoint) }
    return thread.run()
}

/// One loop: socket, inbox and ticks in turn, and a poll when there is nothing to do.
struct SocketThread<Handler: SocketHandler>: ~Copyable {
    /// Messages that are handed over before posts and ticks have their turn.
    private static var batch: Int { 32 }
    /// How long the messages before a tick may hold it up.
    private static var tickDelayMax: Duration { .milliseconds(250) }
    /// The pause before waiting messages are tried again, should libzmq's notice of room have been missed: its descriptor tells of
    /// changes only, and a ROUTER has no event for room at one peer among several.
    private static var retryInterval: Duration { .milliseconds(5) }

    private var handler: Handler
    fileprivate var port: LoopPort
    private let shared: LoopShared<Handler.Post>
    private let descriptor: Int32
    private var message: ReceivedMessage
    private var posts: [Handler.Post] = []
    private var nextTick: Instant
    /// Whether the loop has been woken since the handler's last turn.
    private var wasWoken = false

    fileprivate init(handler: Handler, port: consuming LoopPort, shared: LoopShared<Handler.Post>, descriptor: Int32) {
        self.handler = handler
        message = ReceivedMessage(partsMax: port.limits.messagePartsMax)
        nextTick = MonotonicClock.now() + port.limits.tickInterval
        self.port = port
        self.shared = shared
        self.descriptor = descriptor
    }

    /// Runs until a stop is asked for or the context ends.
    mutating func run() -> TransportError? {
        handler.started(port: &port)
        var failure: TransportError?
        do throws(TransportError) {
            while !shared.isStopRequested && !port.stopRequested { try turn() }
        } catch { failure = error }
        let last = shared.inbox.end()
        if failure == nil {
            for post in last { handler.posted(post, port: &port) }
            handler.settled(port: &port)
        }
        handler.stopping(port: &port)
        if failure == nil { deliverQueued() }
        publish()
        return failure
    }

    private mutating func turn() throws(TransportError) {
        let received = try receiveBatch()
        let posted = takePosts()
        if received > 0 || posted || wasWoken { handler.settled(port: &port) }
        wasWoken = false
        let busy = received == Self.batch || posted
        if !port.queues.isEmpty { sendQueued() }
        let now = MonotonicClock.now()
        if now >= nextTick { return try tick(now) }
        if !busy { try pause(now) }
    }

    /// Hands over what has arrived, at most a batch; returns how many messages there were.
    private mutating func receiveBatch() throws(TransportError) -> Int {
        for count in 0..<Self.batch {
            switch port.socket.receive(into: message) {
            case .nothing: return count
            case .terminated: throw .contextTerminated
            case .stranger: port.statistics.messagesFromStrangers += 1
            case .malformed: port.statistics.messagesMalformed += 1
            case .message: handOver()
            }
            if port.stopRequested { return count + 1 }
        }
        return Self.batch
    }

    private mutating func handOver() {
        port.statistics.messagesReceived += 1
        port.statistics.bytesReceived += UInt64(message.byteCount)
        handler.received(message, port: &port)
        // A message that the handler keeps is its own from now on.
        if !isKnownUniquelyReferenced(&message) { message = ReceivedMessage(partsMax: port.limits.messagePartsMax) }
    }

    @discardableResult
    private mutating func takePosts() -> Bool {
        shared.inbox.take(into: &posts)
        guard !posts.isEmpty else { return false }
        for post in posts { handler.posted(post, port: &port) }
        posts.removeAll(keepingCapacity: true)
        return true
    }

    /// Hands over everything that has arrived, then the tick: deadlines are judged by what is known.
    private mutating func tick(_ due: Instant) throws(TransportError) {
        while try receiveBatch() == Self.batch, MonotonicClock.now() - due < Self.tickDelayMax {}
        takePosts()
        let now = MonotonicClock.now()
        handler.ticked(at: now, port: &port)
        handler.settled(port: &port)
        nextTick = now + port.limits.tickInterval
        publish()
    }

    private mutating func sendQueued() {
        for loss in port.sendQueued() { handler.undelivered(loss.messages, to: loss.peer, port: &port) }
    }

    /// Sleeps until the socket, the inbox or the next tick has something to do.
    private mutating func pause(_ now: Instant) throws(TransportError) {
        message.clear()
        // The descriptor tells of changes only, and any call of the socket may have taken the news in: so ask before sleeping.
        if try port.socket.isReadable() { return }
        var timeout = nextTick - now
        if !port.queues.isEmpty {
            sendQueued()
            if try port.socket.isReadable() { return }
            timeout = min(timeout, Self.retryInterval)
        }
        publish()
        guard shared.inbox.fallAsleep() else { return }
        defer { shared.inbox.wakeUp() }
        var items = (
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: shared.wake.descriptor, events: Int16(POLLIN), revents: 0)
        )
        let ready = unsafe withUnsafeMutablePointer(to: &items) { items in
            unsafe items.withMemoryRebound(to: pollfd.self, capacity: 2) { unsafe poll($0, 2, timeout.milliseconds) }
        }
        // An interrupted poll is a short one. The signal is cleared before the inbox is read, so no post is missed; and posts signal only
        // a loop that sleeps.
        if ready > 0, items.1.revents != 0 {
            shared.wake.clear()
            wasWoken = true
        }
    }

    /// Tries for the length of the linger to send what waits.
    private mutating func deliverQueued() {
        let deadline = MonotonicClock.now() + port.limits.linger
        while !port.queues.isEmpty {
            sendQueued()
            let now = MonotonicClock.now()
            guard !port.queues.isEmpty, now < deadline, (try? port.socket.isReadable()) != nil else { return }
            var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            unsafe poll(&item, 1, min(deadline - now, Self.retryInterval).milliseconds)
        }
    }

    private func publish() { shared.statistics.withLock { $0 = port.statistics } }
}
