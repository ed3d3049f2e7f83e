/// The versions that may be probed before their step is applied: a function of the experiment alone.
///
/// Whether a version that is due is in fact probed is for the coordinator to say, which keeps a budget of wall time; every shard holds
/// the step back until it has said so.
public struct ProbeSchedule: Hashable, Codable, Sendable {
    /// Versions that are multiples of this are due; 0 means never.
    public var every: Step
    /// The last version is due too.
    public var last: Step

    public init(every: Step, last: Step) {
        self.every = every
        self.last = last
    }

    /// No version is ever due.
    public static let never = ProbeSchedule(every: 0, last: 0)

    /// Whether `version` may be probed.
    public func isDue(at version: Step) -> Bool { every > 0 && (version == last || version.isMultiple(of: every)) }
}
