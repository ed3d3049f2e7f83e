/// x ↦ P·L·P·R·x, a Monarch matrix (Dao et al., 2022): R and L of k blocks each, square where the width is kept, P the stride
/// permutation.
///
/// A block tensor train of k blocks either way and rank min(m, n)/k²: with k = √n every block is √n × √n and the rank 1.
/// Orthogonal blocks make an orthogonal map.
public struct MonarchPath: BlockTensorTrainFamily {
    public let train: BlockTensorTrain

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        let (inputs, outputs) = (context.inputs, context.outputs)
        let hidden = min(inputs, outputs)
        let allowed = Divisors.of(hidden).filter { $0 > 1 && hidden % ($0 * $0) == 0 && max(inputs, outputs) % $0 == 0 }
        if allowed.isEmpty {
            throw SpecificationError(
                keyPath: "model.path.family", value: "monarch",
                expectation: "a family that cuts \(inputs) inputs and \(outputs) outputs into blocks, as block-tensor-train does; "
                    + "monarch needs a number of blocks that divides both and whose square divides the smaller"
            )
        }
        let blocks = try options.integer(
            "blocks", default: allowed.last, among: allowed,
            meaning: inputs == outputs
                ? "the numbers whose squares divide the width"
                : "the numbers that divide inputs and outputs and whose squares divide the smaller")
        train = try BlockTensorTrain(
            inputBlocks: blocks, outputBlocks: blocks, rank: hidden / (blocks * blocks), options: &options, context: context)
    }
}
