import Cluster
import ExperimentFile
import Foundation
import LinearAlgebra
import ParameterServer
import RunStore
import ShardKernels
import SpectralDiagnostics
import StructuredLayers
import Training

/// The network of a checkpoint on its experiment's data: one version of all three tiers.
extension Inspect {
    func measureNetwork(of file: SafetensorsFile) throws {
        guard let text = file.metadata["experiment"], let version = file.metadata["step"].flatMap(Step.init) else {
            throw RefusedInput(
                "\(file.path): --data needs the network that the tensors belong to, and the file does not say which experiment it "
                    + "comes from; inspect a checkpoint of a plumb run, or leave --data away")
        }
        guard version <= Self.stepsMax else {
            throw RefusedInput(
                "\(file.path): its metadata calls it version \(version), and no run is longer than \(Self.stepsMax) steps; the file is "
                    + "damaged or not plumb's")
        }
        var experiment = try Experiment(yaml: text, source: file.path, overrides: networkOverrides)
        experiment.diagnostics.layers = try chosenLayers(experiment)
        let plan = try ExperimentOptions.plan(experiment)
        try plan.requireMemoryForCurvature()
        if !overrides.contains(where: { $0.hasPrefix("data.") }) { try Checkpoints.requireData(of: file, plan.data) }
        let parameters = try file.parameters(plan.network.layout)
        var rows = StepMeasurement(plan).rows(version: version, parameters: parameters)
        rows += examineWeights(plan, parameters, version)
        var probe = LocalProbe(plan)
        let state = try Checkpoints.state(of: file, plan: plan, parameters: parameters)
        probe.run(
            plan.experiment.diagnostics.probes, version: version,
            state: state ?? OptimizerState(parameters: parameters, optimizer: plan.experiment.optimizer), hasMoments: state != nil
        ) { name, measured in
            rows += measured
            noteMeasured(name)
        }
        try printNetwork(rows, version, plan, file)
    }

    /// That `training.steps` may be.
    private static let stepsMax: Step = 1_000_000_000

    /// The checkpoint's experiment, but with the diagnostics that are asked for here.
    private var networkOverrides: [String] {
        let selected = selectedDiagnostics.isEmpty ? DiagnosticsSpecification.Name.allOfOneVersion : selectedDiagnostics
        // Quoted, for a star outside of quotes is an alias in YAML.
        let words = selected.map { "'\($0.replacing("'", with: "''"))'" }.joined(separator: ", ")
        return ["diagnostics.every=1", "diagnostics.probeEvery=1", "diagnostics.select=[\(words)]"] + overrides
    }

    /// The names of the layers that --layers and --exclude leave; without --layers those of the experiment.
    private func chosenLayers(_ experiment: Experiment) throws -> [String] {
        let depth = experiment.model.depth
        let names = (0...depth + 1).map { (layer: $0, name: DiagnosticsSpecification.layerName($0, depth: depth)) }
        let chosen = names.filter { layer, name in
            selection.contains(name) && (!included.isEmpty || experiment.diagnostics.includes(layer: layer, depth: depth))
        }
        guard !chosen.isEmpty else {
            throw RefusedInput(
                "--layers and --exclude leave no layer of this network; it has embedding, layers.0 to layers.\(depth - 1), and readout"
            )
        }
        return chosen.map(\.name)
    }

    /// T1 of the version.
    private func examineWeights(_ plan: TrainingPlan, _ parameters: AlignedVector, _ version: Step) -> [DiagnosticRow] {
        var weights = WeightExamination(plan, parameters, version: version)
        var rows: [DiagnosticRow] = []
        for name in plan.experiment.diagnostics.select where name.tier == .onTheWeights {
            switch name {
            case .caps:
                var examiner = VersionExaminer(plan)
                rows += plan.selected(examiner.capUtilisation(parameters))
            case .update:
                let reason = "one version changes nothing; compare two: plumb inspect A B"
                rows += UpdateSpectrum(unavailable: reason).rows(layer: nil)
            default: rows += weights.rows(name)
            }
            noteMeasured(name)
        }
        return rows
    }

    private func noteMeasured(_ name: DiagnosticsSpecification.Name) {
        if !json && !csv { Self.note("\(name.rawValue) is measured") }
    }

    private func printNetwork(_ rows: [DiagnosticRow], _ version: Step, _ plan: TrainingPlan, _ file: SafetensorsFile) throws {
        guard !rows.isEmpty else {
            let names = plan.experiment.diagnostics.select.map(\.rawValue).joined(separator: ", ")
            throw RefusedInput("\(file.path): this network has nothing that \(names) could measure; --select others")
        }
        if csv {
            print("diagnostic,layer,quantity,value,uncertainty,reason")
            for row in rows {
                let (layer, value) = (row.layer.map(String.init) ?? "", row.value)
                let numbers = [value.number, value.uncertainty].map { $0.map { "\($0)" } ?? "" }
                print(ExaminationCSV.line([row.diagnostic, layer, row.quantity] + numbers + [value.reason ?? ""]))
            }
            return
        }
        var view = RunView(
            run: file.path, name: plan.experiment.name, parameters: plan.network.layout.parameterCount, steps: Int64(version),
            isFinished: false)
        view.add(rows, at: Int64(version))
        try view.print(json: json)
    }
}

extension DiagnosticsSpecification.Name {
    /// What one version can tell: all but what the step from it to the next one did.
    fileprivate static var allOfOneVersion: [String] { allCases.filter { $0 != .update }.map(\.rawValue) }
}
