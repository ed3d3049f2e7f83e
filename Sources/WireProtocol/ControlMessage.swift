import ParameterServer

/// What the coordinator and a worker tell each other on the control connection.
///
/// A message travels as one message part of JSON, `{"v":1,"kind":"hello",…}`; the fields are in `docs/wire-protocol.md`.
public enum ControlMessage: Hashable, Sendable {
    // From a worker.
    case hello(Hello)
    case ready(Ready)
    case synchronized(Synchronized)
    case workerHeartbeat(WorkerHeartbeat)
    case stepTimes(StepTimes)
    case leaving(Leaving)
    case failed(Failed)
    // From the coordinator.
    case welcome(Welcome)
    case refused(Refused)
    case assignment(AssignmentNotice)
    case coordinatorHeartbeat(CoordinatorHeartbeat)
    case stop(Stop)
    case rejoin(Rejoin)
    case peers(Peers)
    // Between the coordinator and whoever watches it.
    case statusRequest(StatusRequest)
    case stopRequest(StopRequest)
    case status(Status)

    /// The version of the control messages.
    public static let version = 1
    /// Bytes that an encoded message may have.
    public static let byteCountMax = 4 << 20

    /// The names on the wire; they never change their meaning.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case hello
        case ready
        case synchronized
        case workerHeartbeat = "worker-heartbeat"
        case stepTimes = "step-times"
        case leaving
        case failed
        case welcome
        case refused
        case assignment
        case coordinatorHeartbeat = "coordinator-heartbeat"
        case stop
        case rejoin
        case peers
        case statusRequest = "status-request"
        case stopRequest = "stop-request"
        case status

        /// Whether workers send it; the coordinator sends the others.
        public var isFromWorker: Bool {
            switch self {
            case .hello, .ready, .synchronized, .workerHeartbeat, .stepTimes, .leaving, .failed: true
            case .welcome, .refused, .assignment, .coordinatorHeartbeat, .stop, .rejoin, .peers, .statusRequest, .stopRequest,
                .status:
                false
            }
        }
    }

    /// What kind of message this is.
    public var kind: Kind {
        switch self {
        case .hello: .hello
        case .ready: .ready
        case .synchronized: .synchronized
        case .workerHeartbeat: .workerHeartbeat
        case .stepTimes: .stepTimes
        case .leaving: .leaving
        case .failed: .failed
        case .welcome: .welcome
        case .refused: .refused
        case .assignment: .assignment
        case .coordinatorHeartbeat: .coordinatorHeartbeat
        case .stop: .stop
        case .rejoin: .rejoin
        case .peers: .peers
        case .statusRequest: .statusRequest
        case .stopRequest: .stopRequest
        case .status: .status
        }
    }

    /// The fields of the message.
    var body: any ControlMessageBody {
        switch self {
        case .hello(let body): body
        case .ready(let body): body
        case .synchronized(let body): body
        case .workerHeartbeat(let body): body
        case .stepTimes(let body): body
        case .leaving(let body): body
        case .failed(let body): body
        case .welcome(let body): body
        case .refused(let body): body
        case .assignment(let body): body
        case .coordinatorHeartbeat(let body): body
        case .stop(let body): body
        case .rejoin(let body): body
        case .peers(let body): body
        case .statusRequest(let body): body
        case .stopRequest(let body): body
        case .status(let body): body
        }
    }
}

/// The fields of one kind of control message.
protocol ControlMessageBody: Codable {
    /// Checks every field against its limits.
    func check(_ fields: FieldChecker) throws(ControlMessageError)
}
