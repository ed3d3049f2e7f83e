import ParameterServer
import Synchronization

/// One socket and the one thread that makes, uses and closes it; other threads post to its bounded inbox.
///
/// Whether a dealer's other side is there at all, the caller finds out by a deadline on the first answer: that covers a dead endpoint, a
/// silent one and a wrong service alike, while the end of a TCP handshake, which a socket monitor could report, proves none of them.
public final class SocketLoop<Handler: SocketHandler>: Sendable {
    /// How the loop ended: nil for an ordinary end.
    private struct Ending: Sendable { var error: TransportError? }

    /// The name of the loop, in its thread's name and in errors.
    public let name: String
    /// Where the socket listens, with the port that was chosen, or what it connects to.
    public let boundEndpoint: Endpoint
    private let shared: LoopShared<Handler.Post>
    private let thread: DedicatedThread

    /// Starts the thread, opens the socket there and makes the handler; returns once the socket is bound or connecting.
    ///
    /// Blocks the calling thread for at most `startDeadline`.
    /// - Throws: `TransportError` when the socket cannot be opened, or what `makeHandler` throws.
    public init(
        name: String, context: TransportContext, role: SocketRole, limits: SocketLimits, startDeadline: Duration = .seconds(30),
        makeHandler: @escaping @Sendable () throws -> Handler
    ) throws {
        let shared = LoopShared<Handler.Post>(name: name, capacity: limits.inboxCapacity, wake: try WakeSignal())
        let thread = try DedicatedThread(name: name, stackBytes: limits.stackBytes) {
            let error = runSocketLoop(shared, context, role, limits, makeHandler)
            // What was posted before the handler could be made; refused at the latest here.
            _ = shared.inbox.end()
            shared.ended.update { $0 = .some(error) }
        }
        guard let start = shared.started.wait(atMost: startDeadline, until: { $0 }) else {
            shared.requestStop()
            throw TransportError.startDeadline(name: name, waited: startDeadline)
        }
        switch start {
        case .success(let endpoint): boundEndpoint = endpoint
        case .failure(let error):
            if shared.ended.wait(atMost: startDeadline, until: { $0 }) != nil { thread.join() }
            throw error
        }
        self.name = name
        self.shared = shared
        self.thread = thread
    }

    deinit { shared.requestStop() }

    /// What the loop has counted, as of its last pause or tick.
    public var statistics: SocketStatistics { shared.statistics.withLock { $0 } }

    /// Hands `post` to the handler on the loop's thread. Never blocks.
    ///
    /// - Throws: `PostError` when the inbox is full or the loop has ended.
    public func post(_ post: Handler.Post) throws(PostError) {
        switch shared.inbox.add(post) {
        case .accepted(let wake): if wake { shared.wake.signal() }
        case .full: throw .full(loop: name, capacity: shared.inbox.capacity)
        case .ended: throw .ended(loop: name)
        }
    }

    /// Asks the loop to end: posts made before are handed over, then the handler is told, then the socket closes. Never blocks.
    public func stop() { shared.requestStop() }

    /// Waits until the loop has ended and its thread is gone.
    ///
    /// - Throws: `TransportError.joinDeadline` when that takes longer than `deadline`; else the error that ended the loop, if one did.
    public func join(deadline: Duration) throws(TransportError) {
        guard let ending = shared.ended.wait(atMost: deadline, until: { $0.map(Ending.init) }) else {
            throw .joinDeadline(name: name, waited: deadline)
        }
        thread.join()
        if let error = ending.error { throw error }
    }
}

/// What a loop's thread and the others share.
final class LoopShared<Post: Sendable>: Sendable {
    let name: String
    let inbox: Inbox<Post>
    let wake: WakeSignal
    let statistics = Mutex(SocketStatistics())
    /// The endpoint, once the socket is open.
    let started = Monitor<Result<Endpoint, any Error>?>(nil)
    /// Set at the end: nil inside for an ordinary one.
    let ended = Monitor<TransportError??>(nil)
    private let stopRequested = Atomic<Bool>(false)

    init(name: String, capacity: Int, wake: WakeSignal) {
        self.name = name
        inbox = Inbox(capacity: capacity)
        self.wake = wake
    }

    var isStopRequested: Bool { stopRequested.load(ordering: .acquiring) }

    func requestStop() {
        stopRequested.store(true, ordering: .releasing)
        wake.signal()
    }
}
