import Glibc
import ParameterServer

/// The clock that every socket thread reads: it never goes back, and it goes on while the process is stopped.
public enum MonotonicClock {
    /// The time now, since the machine's start.
    public static func now() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(sinceStart: .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec))
    }
}

extension Duration {
    /// Whole milliseconds, rounded up, from 0 to `Int32.max`.
    var milliseconds: Int32 {
        guard self > .zero else { return 0 }
        let (seconds, attoseconds) = components
        guard seconds < Int64(Int32.max) / 1000 else { return .max }
        return Int32(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
