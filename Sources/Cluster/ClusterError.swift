import ParameterServer
import WireProtocol

/// Why a run or a worker could not go on; one sentence with cause and remedy.
public enum ClusterError: Error, Hashable, Sendable, CustomStringConvertible {
    case notEnoughWorkers(present: Int, needed: Int, seconds: Int)
    case allWorkersLost(last: String, reason: String, step: Step)
    case workerEndedEarly(LocalProcesses.Ending)
    case gradientNotFinite(String)
    case refused(reason: String, remedy: String)
    case coordinatorSilent(endpoint: String, seconds: Int)
    case aborted(reason: String)
    case interrupted(reason: String)
    case unusable(String)

    public var description: String {
        switch self {
        case .notEnoughWorkers(let present, let needed, let seconds):
            "after \(seconds) s \(present) of \(needed) workers had joined; start the missing ones, or lower cluster.workers"
        case .allWorkersLost(let last, let reason, let step):
            "at step \(step) no worker was left to go on with: the last one, \(last), is gone (\(reason)); look at its messages and go on with --resume"
        case .workerEndedEarly(let ending): "a worker \(ending) before it had joined; its own message says why"
        case .gradientNotFinite(let sentence): sentence
        case .refused(let reason, let remedy): "the coordinator refused this worker: \(reason); \(remedy)"
        case .coordinatorSilent(let endpoint, let seconds):
            "nothing was heard from the coordinator at \(endpoint) for \(seconds) s; check that it runs and that the address and port are right"
        case .aborted(let reason): "the run has failed: \(reason)"
        case .interrupted(let reason): "the run was interrupted: \(reason)"
        case .unusable(let sentence): sentence
        }
    }

    init(_ failure: CoordinatorMachine.Failure, names: [WorkerID: String]) {
        switch failure {
        case .notEnoughWorkers(let present, let needed, let waited):
            self = .notEnoughWorkers(present: present, needed: needed, seconds: Int(waited.components.seconds))
        case .allWorkersLost(let last, let reason, let step):
            self = .allWorkersLost(last: names[last] ?? "\(last)", reason: reason, step: step)
        case .gradientNotFinite(_, let reason): self = .gradientNotFinite(reason)
        }
    }
}

extension ClusterEnding {
    func notice(step: Step) -> ControlMessage.Stop {
        switch self {
        case .finished: .init(ending: .finished, step: step, reason: "all steps are done")
        case .interrupted(let reason, _, _): .init(ending: .interrupted, step: step, reason: reason)
        case .failed(let error): .init(ending: .aborted, step: step, reason: "\(error)")
        }
    }
}
