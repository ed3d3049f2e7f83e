/// What a run writes besides its record. Never part of the result.
public struct RecordSpecification: Hashable, Sendable {
    /// Whether the directory gets `tensorboard/`, event files that TensorBoard shows while the run goes on.
    public var tensorboard: Bool
}

extension RecordSpecification {
    init(_ section: SettingsSection) throws(ExperimentError) {
        tensorboard = try section.flag("tensorboard", default: true)
        try section.finish()
    }

    var resolved: [(String, SettingsValue)] { [("tensorboard", .plain("\(tensorboard)"))] }
}
