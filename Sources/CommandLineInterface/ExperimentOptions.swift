import ArgumentParser
import Cluster
import ExperimentFile
import Foundation
import Logging
import RunStore
import Training

/// An experiment file and what the command line says about it.
struct ExperimentOptions: ParsableArguments {
    @Argument(help: "The experiment file (YAML). `\(Invocation.program) init` writes one. Not with --resume.")
    var experiment: String?

    @Option(name: .customLong("set"), parsing: .singleValue, help: "Overrides a setting: path.to.key=value. May be repeated.")
    var overrides: [String] = []

    @Option(help: "Where the run is kept; by default runs/NAME-TIME.")
    var runDir: String?

    @Option(help: "Goes on with the run in this directory from its last snapshot; --set may change cluster.* and record.* alone.")
    var resume: String?

    func validate() throws {
        if resume != nil && (experiment != nil || runDir != nil) {
            throw ValidationError("--resume RUN takes the experiment and the directory from RUN; leave the others away.")
        }
        if resume == nil && experiment == nil { throw ValidationError("Name an experiment file, or a run with --resume.") }
    }

    func read() throws -> Experiment {
        if let resume { return try resumed(try RunDirectory.open(resume)) }
        return try Self.read(experiment ?? "", overrides: overrides)
    }

    /// The experiment in a file, with settings overridden. Blocking.
    static func read(_ experiment: String, overrides: [String]) throws -> Experiment {
        let text: String
        do { text = try String(contentsOfFile: experiment, encoding: .utf8) } catch {
            let exists = FileManager.default.fileExists(atPath: experiment)
            throw ExperimentError(
                source: experiment,
                exists ? "the file cannot be read as UTF-8 text" : "there is no such file; `\(Invocation.program) init` writes one")
        }
        return try Experiment(yaml: text, source: experiment, overrides: overrides)
    }

    /// The plan of an experiment with the families of this program. Blocking: reads the data.
    static func plan(_ experiment: Experiment) throws -> TrainingPlan {
        try TrainingPlan(experiment: experiment, data: try ExperimentData(experiment.data), families: Invocation.families)
    }

    private func resumed(_ directory: RunDirectory) throws -> Experiment {
        let text = try directory.readExperiment()
        let begun = try Experiment(yaml: text, source: directory.experimentPath)
        let changed = try Experiment(yaml: text, source: directory.experimentPath, overrides: overrides)
        var same = changed
        (same.cluster, same.record) = (begun.cluster, begun.record)
        guard same == begun else {
            throw RefusedInput(
                "a resumed run keeps its experiment, or its bits would be another's; --set may change cluster.* and record.* alone, for anything "
                    + "else start a new run")
        }
        return changed
    }

    /// The run's directory with the coordinator's lease.
    func tenure(_ plan: TrainingPlan, log: Logger) throws -> RunTenure {
        if let resume { return try RunTenure(resuming: plan, in: try RunDirectory.open(resume), log: log) }
        return try RunTenure(beginning: plan, in: try directory(plan.experiment))
    }

    private func directory(_ experiment: Experiment) throws -> RunDirectory {
        if let runDir { return try RunDirectory.create(at: runDir) }
        return try RunDirectory.create(parent: "runs", name: experiment.name)
    }
}
