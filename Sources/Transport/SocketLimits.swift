/// The limits of a socket and its loop; every one of them is set.
public struct SocketLimits: Hashable, Sendable {
    /// Messages that libzmq queues per peer and direction.
    public var highWaterMark: Int
    /// Bytes of one part of a message that this side sends.
    public var messageBytesMax: Int
    /// Bytes of one part that this side accepts, at most `messageBytesMax`; a peer that sends more is disconnected.
    public var acceptedBytesMax: Int
    /// Parts of one message; a longer one is dropped.
    public var messagePartsMax: Int
    /// Bytes that wait, per peer, for room in libzmq's queue.
    public var pendingBytesMax: Int
    /// Posts that wait for the loop.
    public var inboxCapacity: Int
    /// How long a loop that ends still tries to deliver what was sent.
    public var linger: Duration
    /// The time between two ticks.
    public var tickInterval: Duration
    /// How long a new connection may take to shake hands.
    public var handshake: Duration
    /// How long the system may take to connect before it is tried again.
    public var connectTimeout: Duration
    /// The first and the longest pause before a lost connection is tried again.
    public var reconnect: ClosedRange<Duration>
    /// Bytes of the thread's stack.
    public var stackBytes: Int

    /// Limits; those left out suit control messages.
    public init(
        highWaterMark: Int = 1000, messageBytesMax: Int = 4 << 20, acceptedBytesMax: Int? = nil, messagePartsMax: Int = 4,
        pendingBytesMax: Int = 16 << 20,
        inboxCapacity: Int = 4096, linger: Duration = .seconds(1), tickInterval: Duration = .milliseconds(100),
        handshake: Duration = .seconds(10), connectTimeout: Duration = .seconds(5),
        reconnect: ClosedRange<Duration> = .milliseconds(50)...(.seconds(2)), stackBytes: Int = 8 << 20
    ) {
        precondition(highWaterMark >= 1 && messageBytesMax >= 1 && messagePartsMax >= 1, "a socket carries messages")
        precondition(pendingBytesMax >= 0 && inboxCapacity >= 1, "a loop has an inbox")
        precondition(linger >= .zero && tickInterval >= .milliseconds(1), "a loop ends and ticks")
        precondition(reconnect.lowerBound >= .milliseconds(1) && handshake > .zero && connectTimeout > .zero, "waits take time")
        self.highWaterMark = highWaterMark
        self.messageBytesMax = messageBytesMax
        self.acceptedBytesMax = acceptedBytesMax ?? messageBytesMax
        self.messagePartsMax = messagePartsMax
        self.pendingBytesMax = pendingBytesMax
        self.inboxCapacity = inboxCapacity
        self.linger = linger
        self.tickInterval = tickInterval
        self.handshake = handshake
        self.connectTimeout = connectTimeout
        self.reconnect = reconnect
        self.stackBytes = stackBytes
    }

    /// For control messages: small, many, up to 4 MiB.
    public static let control = SocketLimits()
    /// For the coordinator's control socket, which anybody may connect to: what a worker says is short.
    public static let coordinator = SocketLimits(highWaterMark: 64, acceptedBytesMax: 256 << 10, inboxCapacity: 1 << 16)
    /// For data frames: up to 1 MiB and 64 KiB of payload, 64 in libzmq's queue and 64 MiB behind it.
    public static let data = SocketLimits(
        highWaterMark: 64, messageBytesMax: (1 << 20) + (1 << 16), messagePartsMax: 2, pendingBytesMax: 64 << 20)
}
