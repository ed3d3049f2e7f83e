import ParameterServer
import Transport
import WireProtocol

/// What other threads tell a worker's control loop.
enum WorkerControlPost: Sendable {
    case ready(ControlMessage.Ready)
    case synchronized(Step)
    case leave(reason: String)
    case fail(sentence: String)
}

/// What a worker's control loop tells the worker.
enum WorkerNews: Sendable {
    case welcome(ControlMessage.Welcome)
    case assigned(Assignment)
    case peers(ControlMessage.Peers)
    case ended(ControlMessage.Stop)
    case refused(ControlMessage.Refused)
    /// The coordinator does not count this life as a member.
    case rejoin(reason: String)
    /// Nothing was heard of the coordinator for this long; said again with every further deadline.
    case silence(Duration)
}

/// The control socket's thread of a worker: says hello, keeps the heartbeat, passes on what the coordinator says.
struct WorkerControl: SocketHandler {
    private let hello: ControlMessage.Hello
    private let tell: @Sendable (WorkerNews) -> Void
    private let progress: @Sendable () -> WorkerProgress
    /// What is to be told of steps since it was last asked; nil when there is nothing.
    private let stepTimes: @Sendable () -> ControlMessage.StepTimes?
    private var sequence: UInt64 = 0
    private var heartbeat: Duration = .seconds(1)
    /// Before the welcome: the time that a person would wait; afterwards the coordinator's word.
    private var deadline: Duration
    private var lastHeard = MonotonicClock.now()
    private var lastSent = MonotonicClock.now()
    private var lastTick = MonotonicClock.now()
    private var lastStepTimes = MonotonicClock.now()
    /// What is said again until it is answered: hello until the welcome, ready until the first assignment.
    private var unanswered: ControlMessage?
    private var silencesTold = 0

    init(
        hello: ControlMessage.Hello, connectDeadline: Duration, progress: @escaping @Sendable () -> WorkerProgress,
        stepTimes: @escaping @Sendable () -> ControlMessage.StepTimes?, tell: @escaping @Sendable (WorkerNews) -> Void
    ) {
        self.progress = progress
        self.stepTimes = stepTimes
        self.hello = hello
        self.tell = tell
        deadline = connectDeadline
        unanswered = .hello(hello)
    }

    mutating func started(port: inout LoopPort) { send(.hello(hello), port: &port) }

    mutating func posted(_ post: WorkerControlPost, port: inout LoopPort) {
        switch post {
        case .ready(let ready):
            unanswered = .ready(ready)
            send(.ready(ready), port: &port)
        case .synchronized(let step): send(.synchronized(.init(step: step)), port: &port)
        case .leave(let reason): send(.leaving(.init(reason: reason)), port: &port)
        case .fail(let sentence): send(.failed(.init(sentence: sentence)), port: &port)
        }
    }

    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
        lastHeard = MonotonicClock.now()
        silencesTold = 0
        guard let control = try? message.withPart(0, { bytes throws(ControlMessageError) in try ControlMessage.decode(bytes) })
        else {
            return
        }
        switch control {
        case .welcome(let welcome):
            heartbeat = welcome.heartbeat
            deadline = welcome.deadline
            if case .hello = unanswered { unanswered = nil }
            tell(.welcome(welcome))
        case .refused(let refused): tell(.refused(refused))
        case .assignment(let notice):
            unanswered = nil
            tell(.assigned(notice.assignment))
        case .peers(let peers): tell(.peers(peers))
        case .rejoin(let rejoin): tell(.rejoin(reason: rejoin.reason))
        case .stop(let stop): tell(.ended(stop))
        case .coordinatorHeartbeat: break
        case .hello, .ready, .synchronized, .workerHeartbeat, .stepTimes, .leaving, .failed, .statusRequest, .stopRequest, .status:
            break
        }
    }

    /// A run's last steps would be missing if they were told of with heartbeats alone.
    private static let stepTimesInterval: Duration = .milliseconds(200)

    mutating func ticked(at now: Instant, port: inout LoopPort) {
        if now - lastStepTimes >= min(heartbeat, Self.stepTimesInterval), let times = stepTimes() {
            lastStepTimes = now
            send(.stepTimes(times), port: &port)
        }
        // A gap means that this process was stopped: that counts against nobody.
        if now - lastTick > heartbeat { lastHeard = lastHeard + (now - lastTick) }
        lastTick = now
        if now - lastHeard > deadline * (silencesTold + 1) {
            silencesTold += 1
            tell(.silence(now - lastHeard))
        }
        guard now - lastSent >= heartbeat else { return }
        lastSent = now
        if let unanswered { send(unanswered, port: &port) }
        if case .hello = unanswered { return }
        sequence += 1
        let progress = progress()
        send(
            .workerHeartbeat(
                .init(
                    step: progress.step, timeline: progress.timeline, generation: progress.generation,
                    microbatchesComputed: UInt64(progress.microbatches), sequence: sequence)),
            port: &port)
    }

    private func send(_ message: ControlMessage, port: inout LoopPort) {
        // What cannot be sent is missed by the other side's deadline.
        if let bytes = try? message.encoded() { try? port.send(bytes) }
    }
}
