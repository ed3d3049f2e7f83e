/// What the parameter server knows of a block: its place in the flat vector and how the optimizer treats it.
public struct BlockExtent: Hashable, Codable, Sendable {
    /// Dotted name, as in the checkpoint: `layers.7.path.reflectors`.
    public var name: String
    /// Elements of the flat vector.
    public var range: Range<Int>
    /// Elements that no chunk boundary may split; a divisor of the block's count.
    public var granule: Int
    /// The layer that the block belongs to: 0 the embedding, 1…L the layers, L+1 the readout.
    public var layer: Int
    public var learningRateMultiplier: Float
    /// Whether weight decay applies.
    public var decays: Bool
    /// Whether the block is assigned rather than trained: its part of a gradient is its next value, and counts in no norm.
    public var isState: Bool

    public init(
        name: String, range: Range<Int>, granule: Int = 1, layer: Int, learningRateMultiplier: Float = 1, decays: Bool = true,
        isState: Bool = false
    ) {
        precondition(!range.isEmpty && granule >= 1 && range.count.isMultiple(of: granule), "a granule divides its block")
        self.name = name
        self.range = range
        self.granule = granule
        self.layer = layer
        self.learningRateMultiplier = learningRateMultiplier
        self.decays = decays
        self.isState = isState
    }
}
