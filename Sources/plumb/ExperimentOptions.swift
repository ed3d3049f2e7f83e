import ArgumentParser
import ExperimentFile
import Foundation
import RunStore
import Training

/// An experiment file and what the command line says about it.
struct ExperimentOptions: ParsableArguments {
    @Argument(help: "The experiment file (YAML). `plumb init` writes one.")
    var experiment: String

    @Option(name: .customLong("set"), parsing: .singleValue, help: "Overrides a setting: path.to.key=value. May be repeated.")
    var overrides: [String] = []

    @Option(help: "Where the run is kept; by default runs/NAME-TIME.")
    var runDir: String?

    func read() throws -> Experiment {
        let text: String
        do { text = try String(contentsOfFile: experiment, encoding: .utf8) } catch {
            let exists = FileManager.default.fileExists(atPath: experiment)
            throw ExperimentError(
                source: experiment,
                exists ? "the file cannot be read as UTF-8 text" : "there is no such file; `plumb init` writes one")
        }
        return try Experiment(yaml: text, source: experiment, overrides: overrides)
    }

    func directory(_ experiment: Experiment) throws -> RunDirectory {
        if let runDir { return try RunDirectory.create(at: runDir) }
        return try RunDirectory.create(parent: "runs", name: experiment.name)
    }
}
