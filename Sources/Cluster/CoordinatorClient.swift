import ParameterServer
import RunStore
import Transport
import WireProtocol

/// Speaks to the running coordinator of a run directory: what `plumb status` and `plumb stop` do.
public struct CoordinatorClient: Sendable {
    private let endpoint: Endpoint
    private let path: String

    /// Finds the coordinator of `directory`.
    ///
    /// - Throws: `ClusterError` when none has said where it listens.
    public init(_ directory: RunDirectory) throws {
        guard CoordinatorLease.isHeld(of: directory), let published = directory.publishedEndpoint else {
            throw ClusterError.unusable("no coordinator runs in \(directory.path); go on with --resume \(directory.path)")
        }
        endpoint = try Endpoint(parsing: published)
        path = directory.path
    }

    /// How the run is doing. Blocking, at most five seconds.
    ///
    /// - Throws: `ClusterError` when no answer comes.
    public func status() throws -> ControlMessage.Status { try ask(.statusRequest(.init())) }

    /// Asks the run to end after a snapshot; says how it was doing. Blocking, at most five seconds.
    ///
    /// - Throws: `ClusterError` when no answer comes.
    public func stop(reason: String) throws -> ControlMessage.Status { try ask(.stopRequest(.init(reason: reason))) }

    private func ask(_ question: ControlMessage) throws -> ControlMessage.Status {
        let answers = Mailbox<ControlMessage.Status>(capacity: 4)
        let context = try TransportContext()
        let identity = WorkerID(rawValue: UInt64.random(in: WorkerID.lives))
        let loop = try SocketLoop(
            name: "plumb-client", context: context, role: .dealer(connect: endpoint, identity: identity), limits: .control
        ) { Asker(question: question) { _ = answers.offer($0) } }
        defer {
            loop.stop()
            try? loop.join(deadline: .seconds(5))
            try? context.close(deadline: .seconds(5))
        }
        guard let answer = answers.take(within: .seconds(5)) else {
            throw ClusterError.unusable(
                "the coordinator of \(path) did not answer at \(endpoint) within 5 s; it may have been killed, then go on with --resume \(path)"
            )
        }
        return answer
    }
}

/// Asks once and hands on the answer.
private struct Asker: SocketHandler {
    let question: ControlMessage
    let answered: @Sendable (ControlMessage.Status) -> Void

    mutating func started(port: inout LoopPort) {
        if let bytes = try? question.encoded() { try? port.send(bytes) }
    }

    mutating func posted(_ post: Never, port: inout LoopPort) {}

    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
        let answer = try? message.withPart(0) { bytes throws(ControlMessageError) in try ControlMessage.decode(bytes) }
        if case .status(let status)? = answer { answered(status) }
    }
}
