import Cluster
import ExperimentFile
import Foundation
import LinearAlgebra
import ParameterServer
import RunStore
import SpectralDiagnostics
import StructuredLayers
import Training

/// The network of a checkpoint on its experiment's data: what needs gradients, Jacobians or the Hessian.
extension Inspect {
    func measureNetwork(of file: SafetensorsFile) throws {
        guard let text = file.metadata["experiment"], let version = file.metadata["step"].flatMap(Step.init) else {
            throw RefusedInput(
                "\(file.path): --data needs the network that the tensors belong to, and the file does not say which experiment it "
                    + "comes from; inspect a checkpoint of a plumb run, or leave --data away")
        }
        let plan = try ExperimentOptions.plan(try Experiment(yaml: text, source: file.path, overrides: try networkOverrides()))
        if !overrides.contains(where: { $0.hasPrefix("data.") }) { try Checkpoints.requireData(of: file, plan.data) }
        let parameters = try Checkpoints.parameters(of: file, layout: plan.network.layout)
        var rows = StepMeasurement(plan).rows(version: version, parameters: parameters)
        var probe = LocalProbe(plan)
        probe.run(plan.experiment.diagnostics.probes, version: version, parameters: parameters) { name, measured in
            rows += measured
            if !json && !csv { FileHandle.standardError.write(Data("\(name.rawValue) is measured\n".utf8)) }
        }
        try printNetwork(rows, version, plan, file)
    }

    /// The checkpoint's experiment, but with the diagnostics that are asked for here.
    private func networkOverrides() throws -> [String] {
        let selected = selectedDiagnostics.isEmpty ? ["all"] : selectedDiagnostics
        var settings = [
            "diagnostics.every=1", "diagnostics.probeEvery=1", "diagnostics.select=[\(selected.joined(separator: ", "))]",
        ]
        if !included.isEmpty { settings.append("diagnostics.layers=[\(included.joined(separator: ", "))]") }
        return settings + overrides
    }

    private func printNetwork(_ rows: [DiagnosticRow], _ version: Step, _ plan: TrainingPlan, _ file: SafetensorsFile) throws {
        if csv {
            print("diagnostic,layer,quantity,value,uncertainty,reason")
            for row in rows {
                let (layer, value) = (row.layer.map(String.init) ?? "", row.value)
                let numbers = [value.number, value.uncertainty].map { $0.map { "\($0)" } ?? "" }
                let reason = value.reason.map { "\"\($0.replacing("\"", with: "\"\""))\"" } ?? ""
                print("\(row.diagnostic),\(layer),\(row.quantity),\(numbers[0]),\(numbers[1]),\(reason)")
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
