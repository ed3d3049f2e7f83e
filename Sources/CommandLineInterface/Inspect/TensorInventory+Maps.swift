import Cluster
import ExperimentFile
import LinearAlgebra
import RunStore
import SpectralDiagnostics
import StructuredLayers

extension TensorInventory {
    /// Adds the map of every layer of a run's checkpoint, which its parameters only describe: `layers.3.path`, materialised when it is needed.
    ///
    /// The embedding and the readout are matrices of the file already. A file of another origin adds nothing.
    /// - Throws: when the checkpoint does not fit its own experiment.
    mutating func appendMaps(of file: SafetensorsFile, _ selection: NameSelection) throws {
        guard let text = file.metadata["experiment"], file.metadata["format"] == Checkpoints.format else { return }
        let experiment = try Experiment(yaml: text, source: file.path)
        let inputs = file.tensor(named: "embedding.weight")?.shape.last ?? experiment.model.levelWidths[0]
        guard let outputs = file.tensor(named: "readout.weight")?.shape.first else { return }
        let network = try Network(experiment.model(inputs: inputs, outputs: outputs), families: Invocation.families)
        let parameters = try file.parameters(network.layout)
        for (index, layer) in network.layers.enumerated() where selection.contains("layers.\(index).path") {
            append(
                Item(
                    name: "layers.\(index).path", element: "map", precision: .float32, shape: [layer.outputs, layer.inputs],
                    slices: 1, load: { .matrices([network.materialisedPath(index, parameters)]) }))
        }
    }
}
