/// What must never happen in a run, and did.
struct Violation: Error, Sendable, CustomStringConvertible {
    var time: Int
    var what: String

    var description: String { "at \(Double(time / 1000) / 1000) s: \(what)" }
}
