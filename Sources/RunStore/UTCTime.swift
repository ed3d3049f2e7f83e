import Glibc

/// A moment in Coordinated Universal Time, to the millisecond.
public struct UTCTime: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public let unixMilliseconds: Int64

    /// The moment `unixMilliseconds` after 1970-01-01T00:00:00Z.
    public init(unixMilliseconds: Int64) { self.unixMilliseconds = unixMilliseconds }

    /// What the system's clock shows. For names and logs only: nothing that a run computes may depend on it.
    public static var now: UTCTime {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UTCTime(unixMilliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Earlier before later.
    public static func < (a: UTCTime, b: UTCTime) -> Bool { a.unixMilliseconds < b.unixMilliseconds }

    /// RFC 3339 with milliseconds: `2026-03-01T12:00:00.250Z`.
    public var rfc3339: String {
        let (date, clock) = fields
        let milliseconds = Int(unixMilliseconds - floorDivide(unixMilliseconds, 1000) * 1000)
        return
            "\(pad(date.0, 4))-\(pad(date.1))-\(pad(date.2))T\(pad(clock.0)):\(pad(clock.1)):\(pad(clock.2)).\(pad(milliseconds, 3))Z"
    }

    /// For file names, sorting as time does: `20260301-120000`.
    public var compact: String {
        let (date, clock) = fields
        return "\(pad(date.0, 4))\(pad(date.1))\(pad(date.2))-\(pad(clock.0))\(pad(clock.1))\(pad(clock.2))"
    }

    private var fields: (date: (Int, Int, Int), clock: (Int, Int, Int)) {
        let seconds = floorDivide(unixMilliseconds, 1000)
        let day = floorDivide(seconds, 86_400)
        let second = Int(seconds - day * 86_400)
        return (Self.civil(fromDay: Int(day)), (second / 3600, second / 60 % 60, second % 60))
    }

    /// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
    ///
    /// Counts from 1 March of year 0, so that the leap day ends a year, in eras of 400 years (146,097 days).
    private static func civil(fromDay day: Int) -> (Int, Int, Int) {
        let shifted = day + 719_468
        let era = Int(floorDivide(Int64(shifted), 146_097))
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

private func floorDivide(_ a: Int64, _ b: Int64) -> Int64 { a >= 0 ? a / b : (a - b + 1) / b }

private func pad(_ value: Int, _ width: Int = 2) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
