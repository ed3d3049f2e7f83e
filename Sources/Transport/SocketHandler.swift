import ParameterServer

/// What a socket loop does with its messages; made, called and destroyed on the loop's own thread, so it need not be `Sendable`.
///
/// A call that takes long holds up the socket: heartbeats wait behind it.
public protocol SocketHandler: SendableMetatype {
    /// What other threads send in.
    associatedtype Post: Sendable

    /// The socket is bound or connecting.
    mutating func started(port: inout LoopPort)
    /// A message arrived. Whoever keeps the reference keeps its memory.
    mutating func received(_ message: ReceivedMessage, port: inout LoopPort)
    /// Another thread posted something.
    mutating func posted(_ post: Post, port: inout LoopPort)
    /// What had arrived in this turn of the loop, messages and posts, has been handed over: what waited for more may leave.
    mutating func settled(port: inout LoopPort)
    /// A tick is due. What had arrived by then, messages and posts, has been handed over first.
    mutating func ticked(at now: Instant, port: inout LoopPort)
    /// The connection of `peer` ended while `messages` messages waited for room; they are lost.
    mutating func undelivered(_ messages: Int, to peer: WorkerID?, port: inout LoopPort)
    /// The loop ends. What is sent now is still delivered if that takes no longer than the linger.
    mutating func stopping(port: inout LoopPort)
}

extension SocketHandler {
    /// Does nothing.
    public mutating func started(port: inout LoopPort) {}
    /// Does nothing.
    public mutating func settled(port: inout LoopPort) {}
    /// Does nothing.
    public mutating func ticked(at now: Instant, port: inout LoopPort) {}
    /// Does nothing: the peer will be missed by its silence.
    public mutating func undelivered(_ messages: Int, to peer: WorkerID?, port: inout LoopPort) {}
    /// Does nothing.
    public mutating func stopping(port: inout LoopPort) {}
}
