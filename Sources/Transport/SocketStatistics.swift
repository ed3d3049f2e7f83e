/// What a loop has counted since it started.
public struct SocketStatistics: Hashable, Sendable {
    /// Messages handed to the handler.
    public var messagesReceived: UInt64 = 0
    /// Bytes of all their parts.
    public var bytesReceived: UInt64 = 0
    /// Messages that libzmq took.
    public var messagesSent: UInt64 = 0
    /// Bytes of all their parts.
    public var bytesSent: UInt64 = 0
    /// Messages of peers whose identity is not a worker's; dropped.
    public var messagesFromStrangers: UInt64 = 0
    /// Messages with too many parts; dropped.
    public var messagesMalformed: UInt64 = 0
    /// Messages that were queued for a peer and could not be delivered any more.
    public var messagesUndelivered: UInt64 = 0
    /// Bytes that wait for room in libzmq's queues now.
    public var pendingBytes = 0

    /// Nothing counted yet.
    public init() {}
}
