/// x ↦ S·x with S a block tensor train of two cores: for every pair of blocks, n/k consecutive columns and the m/ℓ rows at stride
/// ℓ meet in a matrix of rank r. Between a Monarch matrix, r = 1, and a dense one.
///
/// By default k is the divisor of the inputs next below their root, and ℓ the smallest divisor of the outputs that leaves the map
/// of full rank.
public struct BlockTensorTrainPath: BlockTensorTrainFamily {
    public let train: BlockTensorTrain

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        let (inputs, outputs) = (context.inputs, context.outputs)
        let inputBlocks = try options.integer(
            "inputBlocks", default: Divisors.balanced(inputs), among: Divisors.of(inputs),
            meaning: "the divisors of the \(inputs) inputs")
        let choices = Divisors.of(outputs)
        let outputBlocks = try options.integer(
            "outputBlocks", default: choices.first { $0 * inputBlocks >= min(inputs, outputs) } ?? outputs, among: choices,
            meaning: "the divisors of the \(outputs) outputs")
        let rank = try options.integer(
            "rank", default: 1, in: 1...min(inputs / inputBlocks, outputs / outputBlocks), meaning: "the smaller side of a block")
        train = try BlockTensorTrain(
            inputBlocks: inputBlocks, outputBlocks: outputBlocks, rank: rank, options: &options, context: context)
    }
}
