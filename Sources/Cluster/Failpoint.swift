import Foundation
import ParameterServer

/// A point at which a test lets a worker die, as by `kill -9`: `PLUMB_FAILPOINT=NAME:POINT:STEP` in its environment.
///
/// Deaths from outside come at random moments; this one comes in the midst of a push.
struct Failpoint: Sendable {
    enum Point: String, CaseIterable, Sendable {
        /// Welcomed, not yet ready.
        case hello
        /// A lane has begun to compute.
        case compute
        /// A lane has begun on its share of a probe.
        case probe
        /// Half of a gradient's frames are sent.
        case push
        /// Half of a version's chunks are stored.
        case receive
        /// The version that is being saved has just become whole.
        case snapshot
    }

    private let point: Point
    private let step: Step

    /// The point set for the worker of this name; nil, as always outside of tests, when there is none.
    init?(worker name: String) {
        guard let text = ProcessInfo.processInfo.environment["PLUMB_FAILPOINT"] else { return nil }
        let parts = text.split(separator: ":").map(String.init)
        guard parts.count == 3, parts[0] == name, let point = Point(rawValue: parts[1]), let step = Step(parts[2]) else {
            return nil
        }
        (self.point, self.step) = (point, step)
    }

    /// Ends the process without a word if this is the point and the step has come.
    func reach(_ point: Point, _ step: Step) {
        if point == self.point && step >= self.step { kill(getpid(), SIGKILL) }
    }
}
