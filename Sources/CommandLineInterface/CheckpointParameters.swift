import Cluster
import LinearAlgebra
import RunStore
import StructuredLayers

extension SafetensorsFile {
    /// The parameters of a checkpoint that a person named, as a flat vector of the layout. Blocking.
    ///
    /// - Throws: `RefusedInput` when the file is damaged or another model's; `SafetensorsError`.
    func parameters(_ layout: ParameterLayout) throws -> AlignedVector {
        do { return try Checkpoints.parameters(of: self, layout: layout) } catch ClusterError.unusable(let sentence) {
            throw RefusedInput(sentence)
        }
    }
}
