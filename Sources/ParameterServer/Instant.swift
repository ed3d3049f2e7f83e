/// A point on a monotonic clock that the caller reads; the machines never read one.
public struct Instant: Hashable, Comparable, Sendable {
    /// Time since the clock's own start.
    public var sinceStart: Duration

    public init(sinceStart: Duration) { self.sinceStart = sinceStart }

    public static func < (a: Instant, b: Instant) -> Bool { a.sinceStart < b.sinceStart }
    public static func + (a: Instant, b: Duration) -> Instant { Instant(sinceStart: a.sinceStart + b) }
    public static func - (a: Instant, b: Instant) -> Duration { a.sinceStart - b.sinceStart }
}
