import ParameterServer

/// How long and in which portions a network is trained.
public struct TrainingSpecification: Hashable, Sendable {
    /// What happens when a gradient holds NaN or Inf.
    public enum OnNonFinite: String, CaseIterable, Hashable, Sendable {
        /// The run ends before the step is applied.
        case stop
        /// The step is applied; saves the wait for the whole gradient.
        case `continue`
    }

    /// How workers keep step.
    public enum Consistency: String, CaseIterable, Hashable, Sendable { case bsp }
    /// B, examples a step.
    public var batch: Int
    /// M, a divisor of B.
    public var partitions: Int
    public var steps: Step
    /// Bound on the norm of the mean gradient; nil for none.
    public var clip: Double?
    public var onNonFinite: OnNonFinite
    public var consistency: Consistency
    public var placement: ShardPlacement
    /// Steps between validations; 0 for none before the end.
    public var validateEvery: Step
    /// Steps between checkpoints; 0 for none before the end.
    public var checkpointEvery: Step
    /// Checkpoints kept besides the best.
    public var keepCheckpoints: Int

    /// Whether a step waits for a decision on the whole gradient.
    public var twoPhase: Bool { clip != nil || onNonFinite == .stop }
}

extension TrainingSpecification {
    init(_ section: SettingsSection, defaultPartitions: (_ batch: Int) -> Int) throws(ExperimentError) {
        batch = try section.integer("batch", default: 256, in: 1...16_777_216)
        let chosen = defaultPartitions(batch)
        partitions =
            try section.text("partitions") == "auto"
            ? chosen
            : try section.integer("partitions", default: chosen, in: 1...ReductionTree.partitionsMax)
        guard batch.isMultiple(of: partitions) else {
            let lower = batch / partitions * partitions
            let near = lower == 0 ? "\(partitions)" : "\(lower) or \(lower + partitions)"
            throw section.refusal(
                "batch", "\(batch)", "it must be divisible by training.partitions (\(partitions)); \(near) would do")
        }
        steps = Step(try section.integer("steps", default: 600, in: 1...1_000_000_000))
        clip = try Self.clip(section)
        onNonFinite = try section.choice("onNonFinite", default: .stop)
        consistency = try section.choice("consistency", default: .bsp)
        placement = try section.choice("placement", default: .coordinator)
        validateEvery = Step(try section.integer("validateEvery", default: 50, in: 0...1_000_000_000))
        checkpointEvery = Step(try section.integer("checkpointEvery", default: 100, in: 0...1_000_000_000))
        keepCheckpoints = try section.integer("keepCheckpoints", default: 3, in: 1...1_000_000)
        try section.finish()
    }

    private static func clip(_ section: SettingsSection) throws(ExperimentError) -> Double? {
        guard let text = try section.text("clip"), text != "none" else { return nil }
        guard let bound = Double(text), bound > 0, bound.isFinite else {
            throw section.refusal("clip", text, "it must be a positive bound on the gradient's norm, or none")
        }
        return bound
    }

    var resolved: [(String, SettingsValue)] {
        [
            ("batch", .plain("\(batch)")), ("partitions", .plain("\(partitions)")), ("steps", .plain("\(steps)")),
            ("clip", .plain(clip.map { "\($0)" } ?? "none")), ("onNonFinite", .plain(onNonFinite.rawValue)),
            ("consistency", .plain(consistency.rawValue)), ("placement", .plain(placement.rawValue)),
            ("validateEvery", .plain("\(validateEvery)")), ("checkpointEvery", .plain("\(checkpointEvery)")),
            ("keepCheckpoints", .plain("\(keepCheckpoints)")),
        ]
    }
}
