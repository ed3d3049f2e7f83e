import Crypto
import ExperimentFile
import LinearAlgebra
import ParameterServer
import RunStore
import ShardKernels
import StructuredLayers
import Training

/// Checkpoints of a run: a safetensors file with every block by name, and with `optimizer.MOMENT.BLOCK` when it is complete.
public enum Checkpoints {
    /// The version of the checkpoints' contents, in their metadata as `format`.
    public static let format = "plumb-checkpoint-1"

    /// SHA-256, in hexadecimal, over the little-endian float32 of every parameter block in layout order.
    public static func weightsSHA256(_ parameters: AlignedVector, _ layout: ParameterLayout) -> String {
        var hash = SHA256()
        for block in layout.blocks where block.role == .parameter {
            unsafe parameters.span.extracting(block.range).bytes.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
        }
        return hash.finalize().map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }

    /// Writes a version. Blocking. Returns the file's SHA-256.
    static func write(
        _ state: OptimizerState, version: Step, timeline: Timeline, plan: TrainingPlan, complete: Bool, to path: String
    ) throws(SafetensorsError) -> String {
        var writer = SafetensorsWriter(metadata: [
            "format": format, "step": String(version), "timeline": String(timeline.rawValue),
            "experiment": plan.experiment.resolvedYAML(), "data_digest": plan.data.digest,
            "weightsSHA256": weightsSHA256(state.parameters, plan.network.layout),
        ])
        for block in plan.network.layout.blocks {
            writer.add(block.name, shape: block.shape, values: values(state.parameters, block.range))
        }
        if complete {
            for (name, moment) in zip(plan.experiment.optimizer.moments, state.moments) {
                for block in plan.network.layout.blocks where block.role == .parameter {
                    writer.add("optimizer.\(name).\(block.name)", shape: block.shape, values: values(moment, block.range))
                }
            }
        }
        return try writer.write(to: path)
    }

    private static func values(_ vector: AlignedVector, _ range: Range<Int>) -> [Float] {
        range.map { vector.span[$0] }
    }

    /// Checks that `data`, which the checkpoint's experiment names, is still what the parameters were trained on.
    ///
    /// - Throws: `ClusterError` when it is not. A checkpoint that does not say passes.
    public static func requireData(of file: SafetensorsFile, _ data: ExperimentData) throws(ClusterError) {
        guard let digest = file.metadata["data_digest"], digest != data.digest else { return }
        throw .unusable(
            "\(file.path) was trained on data with the digest \(digest.prefix(12)), but its experiment's data has \(data.digest.prefix(12)) "
                + "now; put the old data back, or name other data on purpose with --set data.…")
    }

    /// Reads parameters and moments: what a complete checkpoint holds. Blocking.
    ///
    /// - Throws: as `parameters(of:layout:)`.
    static func state(of file: SafetensorsFile, plan: TrainingPlan) throws -> OptimizerState {
        let layout = plan.network.layout
        var state = OptimizerState(parameters: try parameters(of: file, layout: layout), optimizer: plan.experiment.optimizer)
        let trained = layout.blocks.filter { $0.role == .parameter }
        for (index, name) in plan.experiment.optimizer.moments.enumerated() {
            let moment = try vector(of: file, layout: layout, blocks: trained, prefix: "optimizer.\(name).")
            if index == 0 { state.firstMoment = moment } else { state.secondMoment = moment }
        }
        return state
    }

    /// Reads the parameters of a checkpoint into a flat vector of the layout.
    ///
    /// - Throws: `SafetensorsError`, or `ClusterError` when a block is missing, has another shape, or is damaged.
    public static func parameters(of file: SafetensorsFile, layout: ParameterLayout) throws -> AlignedVector {
        try vector(of: file, layout: layout, blocks: layout.blocks, prefix: "")
    }

    private static func vector(of file: SafetensorsFile, layout: ParameterLayout, blocks: [ParameterBlock], prefix: String) throws
        -> AlignedVector
    {
        var vector = AlignedVector(count: layout.count)
        var all = vector.mutableSpan
        for block in blocks {
            let name = prefix + block.name
            guard let tensor = file.tensor(named: name), tensor.shape == block.shape else {
                let seen = file.tensor(named: name).map { "has the shape \($0.shape)" } ?? "is missing"
                throw ClusterError.unusable(
                    "\(file.path): \(name) \(seen), but the network needs \(block.shape); is it another model's?")
            }
            let floats = try file.floats(of: tensor)
            if let digest = file.metadata["sha256.\(name)"], digest != SafetensorsWriter.digest(floats) {
                throw ClusterError.unusable(
                    "\(file.path): \(name) does not have the checksum that the file states; the file is damaged")
            }
            for (offset, index) in block.range.enumerated() { all[index] = floats[offset] }
        }
        return vector
    }
}
