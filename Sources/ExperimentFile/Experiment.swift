import Datasets
import ParameterServer
import StructuredLayers

/// An experiment: everything that the trained weights are a function of, and the cluster that they are not a function of.
public struct Experiment: Hashable, Sendable {
    /// Letters, digits, dots, dashes and underscores; part of the run directory's name.
    public var name: String
    public var seed: UInt64
    public var data: DataSpecification
    /// Inputs and outputs are the data's, set by `model(inputs:outputs:)`.
    public var model: NetworkSpecification
    public var optimizer: OptimizerSpecification
    public var training: TrainingSpecification
    public var diagnostics: DiagnosticsSpecification
    public var record: RecordSpecification
    public var cluster: ClusterSpecification

    /// The network's specification for data of this shape.
    public func model(inputs: Int, outputs: Int) -> NetworkSpecification {
        var model = model
        model.inputs = inputs
        model.outputs = outputs
        return model
    }

    /// The same experiment with every option of the path and the correction written out: what the defaults are, only families know.
    public func resolved(by network: Network) -> Experiment {
        var experiment = self
        (experiment.model.path, experiment.model.correction) = (network.specification.path, network.specification.correction)
        return experiment
    }
}

extension Experiment {
    /// Reads an experiment file's text.
    ///
    /// - Parameters:
    ///   - source: what to call the file in errors.
    ///   - overrides: `path.to.key=value`, applied in order.
    /// - Throws: `ExperimentError` with the key's path, the value and what would be accepted.
    public init(yaml text: String, source: String, overrides: [String] = []) throws(ExperimentError) {
        var tree = try SettingsTree(text: text, source: source)
        for override in overrides { try tree.set(override) }
        let top = SettingsSection(tree)
        name = try Self.name(top)
        seed = UInt64(try top.integer("seed", default: 0, in: 0...Int.max))
        data = try DataSpecification(try top.section("data"))
        model = try NetworkSpecification(try top.section("model"))
        training = try TrainingSpecification(
            try top.section("training"), defaultPartitions: { PartitionPlan.defaultPartitions(batch: $0) })
        optimizer = try OptimizerSpecification(try top.section("optimizer"), steps: training.steps)
        diagnostics = try DiagnosticsSpecification(
            try top.section("diagnostics"), depth: model.depth, partitions: training.partitions)
        record = try RecordSpecification(try top.section("record"))
        cluster = try ClusterSpecification(try top.section("cluster"), placement: training.placement)
        try top.finish()
    }

    private static func name(_ top: SettingsSection) throws(ExperimentError) -> String {
        let name = try top.text("name", default: "run")
        let accepted = name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || [45, 46, 95].contains(byte)
        }
        guard accepted, !name.isEmpty, name.utf8.count <= 100, !name.hasPrefix(".") else {
            throw top.refusal(
                "name", name, "it must be 1 to 100 letters, digits, dots, dashes or underscores, as it names a folder")
        }
        return name
    }

    /// The file with every default written out, those of a path and a correction once a network has resolved them; reading it gives the
    /// same experiment.
    public func resolvedYAML() -> String {
        SettingsValue.section([
            ("name", .text(name)), ("seed", .plain("\(seed)")), ("data", .section(data.resolved)),
            ("model", .section(model.resolved(path: model.path.options, correction: model.correction.options))),
            ("optimizer", .section(optimizer.resolved)), ("training", .section(training.resolved)),
            ("diagnostics", .section(diagnostics.resolved)), ("record", .section(record.resolved)),
            ("cluster", .section(cluster.resolved)),
        ]).yaml()
    }
}
