extension OptionReader {
    /// The rank of a correction through two factors: an eighth of the smaller side unless told otherwise.
    mutating func rank(_ context: LayerContext) throws(SpecificationError) -> Int {
        let largest = min(context.inputs, context.outputs)
        return try integer(
            "rank", default: max(1, largest / 8), in: 1...largest,
            meaning: context.inputs == context.outputs
                ? "the width" : "the smaller of \(context.inputs) inputs and \(context.outputs) outputs")
    }
}
