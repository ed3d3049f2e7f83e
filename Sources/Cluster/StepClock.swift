import ParameterServer
import WireProtocol

/// Where the time of a worker's steps goes. Belongs to the data loop's thread; O(1) an event.
///
/// A step lasts from one version's being whole to the next one's. Of that, lanes compute; what is left is waiting for another worker's
/// gradients, as far as this worker's shard misses them, and otherwise communication that computing did not hide.
struct StepClock {
    private let lanes: Int
    private var version: Step?
    private var begun = Instant(sinceStart: .zero)
    /// Of all lanes together, at the version and at the one after it, with which they may have begun.
    private var busy: [Step: Duration] = [:]
    private var computed = Instant(sinceStart: .zero)
    private var lastPush: (at: Instant, from: WorkerID)?
    private var optimizer: Duration = .zero

    init(lanes: Int) { self.lanes = lanes }

    /// Lanes have computed for `time` in all on a node of `step`.
    mutating func computed(step: Step, _ time: Duration, at now: Instant) {
        busy[step, default: .zero] += time
        if step == version { computed = now }
    }

    /// A gradient of another worker has reached the shard here.
    mutating func pushed(by worker: WorkerID, at now: Instant) { lastPush = (now, worker) }

    mutating func optimized(_ time: Duration) { optimizer += time }

    /// The next version is whole: what the step came to; nil for the first of a timeline.
    mutating func advanced(to next: Step, at now: Instant) -> ControlMessage.StepTimes.Entry? {
        defer {
            (version, begun, computed, lastPush, optimizer) = (next, now, now, nil, .zero)
            // One by one: going through the keys while they change would copy them.
            while let step = busy.keys.first(where: { $0 < next }) { busy[step] = nil }
        }
        guard let version, next == version + 1 else { return nil }
        let wall = now - begun
        let compute = min(wall, (busy[version] ?? .zero) / lanes)
        let idle = wall - compute
        let wait = lastPush.map { min(idle, max(.zero, $0.at - computed)) } ?? .zero
        return .init(
            step: version, compute: Self.microseconds(compute), exposed: Self.microseconds(idle - wait),
            wait: Self.microseconds(wait),
            waitedFor: wait > .zero ? lastPush?.from : nil, optimizer: Self.microseconds(optimizer))
    }

    /// In seconds, to the microsecond: short in JSON.
    private static func microseconds(_ duration: Duration) -> Double { (duration.inSeconds * 1e6).rounded() / 1e6 }
}
