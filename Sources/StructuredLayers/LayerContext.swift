/// The place that a path or a correction is made for: what it may depend on besides its own options.
public struct LayerContext: Hashable, Sendable {
    /// Units that come in, the columns of the map.
    public var inputs: Int
    /// Units that go out, the rows of the map.
    public var outputs: Int
    /// L, the layers of the network.
    public var depth: Int
    /// 0…L − 1; tells apart what is fixed but should differ between layers (a permutation).
    public var index: Int
    /// Whether blocks carry the learning-rate multipliers of their family; otherwise every multiplier is 1.
    public var learningRateScaling: Bool

    public init(inputs: Int, outputs: Int, depth: Int, index: Int, learningRateScaling: Bool = true) {
        precondition(inputs >= 1 && outputs >= 1 && depth >= 1 && index >= 0, "a layer has a size and a place")
        (self.inputs, self.outputs, self.depth, self.index) = (inputs, outputs, depth, index)
        self.learningRateScaling = learningRateScaling
    }

    /// n of a square layer, for families that need one; refuses other shapes and says which families take them.
    public func squareWidth(of family: String) throws(SpecificationError) -> Int {
        guard inputs == outputs else {
            let others = LayerFamilies.builtin.rectangularPathNames.joined(separator: ", ")
            throw SpecificationError(
                keyPath: "model.path.family", value: family,
                expectation: "a family that maps \(inputs) units to \(outputs), one of \(others); \(family) keeps the width")
        }
        return inputs
    }
}
