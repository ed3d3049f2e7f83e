import ArgumentParser
import Cluster
import Datasets
import ExperimentFile
import Foundation
import RunStore
import StructuredLayers
import Training

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Loss and accuracy of a run's checkpoint on its data.")

    @Argument(help: "A checkpoint of a run, or the run's directory for its newest one.")
    var checkpoint: String

    @Option(
        name: .customLong("set"), parsing: .singleValue, help: "Overrides a setting, such as data.images=FILE. May be repeated.")
    var overrides: [String] = []

    @Flag(help: "Print one object of JSON.")
    var json = false

    func run() throws {
        let file = try SafetensorsFile(try CheckpointPath.resolved(checkpoint))
        guard let text = file.metadata["experiment"] else {
            throw RefusedInput(
                "\(file.path): the file does not say which experiment it belongs to; evaluate a checkpoint of a plumb run")
        }
        let experiment = try Experiment(yaml: text, source: file.path, overrides: overrides)
        let plan = try ExperimentOptions.plan(experiment)
        if !overrides.contains(where: { $0.hasPrefix("data.") }) { try Checkpoints.requireData(of: file, plan.data) }
        let parameters = try file.parameters(plan.network.layout)
        var examiner = VersionExaminer(plan)
        var rows: [String: [String: Double]] = [:]
        var table = TextTable("split", "examples", "loss", "accuracy")
        for (name, data) in [
            ("train", plan.data.split.train), ("validation", plan.data.split.validation), ("test", plan.data.split.test),
        ] {
            guard let result = examiner.evaluate(parameters, on: data) else { continue }
            rows[name] = ["loss": result.loss, "accuracy": result.accuracy, "count": Double(result.count)]
            table.append(name, "\(result.count)", Figures.short(result.loss), Figures.percent(result.accuracy))
        }
        if json {
            print(try SortedJSON.text(rows))
        } else {
            table.lines().forEach { print($0) }
        }
    }
}
