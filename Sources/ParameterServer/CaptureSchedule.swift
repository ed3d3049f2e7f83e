/// The versions whose values leave the shards for validation, diagnostics and snapshots: a function of the experiment alone.
public struct CaptureSchedule: Hashable, Codable, Sendable {
    /// What is copied.
    public enum Capture: Hashable, Codable, Sendable {
        case parameters
        /// Parameters, moments and state: enough to go on from.
        case complete
    }

    /// Versions that are multiples of one of these are copied; 0 means never.
    public var parametersEvery: [Step]
    /// Versions that come right after a multiple of this are copied too: what a step did needs both; 0 means never.
    public var parametersAfter: Step
    /// Versions that are multiples of this are copied with moments and state; 0 means never.
    public var completeEvery: Step
    /// The last version is always copied completely.
    public var last: Step

    public init(parametersEvery: [Step], parametersAfter: Step = 0, completeEvery: Step, last: Step) {
        self.parametersEvery = parametersEvery
        self.parametersAfter = parametersAfter
        self.completeEvery = completeEvery
        self.last = last
    }

    /// What is copied of `version`, if anything.
    public func capture(at version: Step) -> Capture? {
        if version == last { return .complete }
        if completeEvery > 0 && version > 0 && version.isMultiple(of: completeEvery) { return .complete }
        if parametersAfter > 0 && version > 0 && (version - 1).isMultiple(of: parametersAfter) { return .parameters }
        return parametersEvery.contains { $0 > 0 && version.isMultiple(of: $0) } ? .parameters : nil
    }
}

/// Why a version is copied.
public enum CaptureOccasion: Hashable, Sendable {
    /// The schedule says so; complete means with moments and state.
    case scheduled(complete: Bool)
    /// Somebody asked for a snapshot now; complete.
    case requested
    /// The version may be probed, and the coordinator needs it for that; complete.
    case probed

    public var isComplete: Bool { self != .scheduled(complete: false) }
}
