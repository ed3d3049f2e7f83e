import ParameterServer
import StructuredLayers

/// What the scalars of a step mean: the float64 vector that rides beside a gradient and is summed along the same tree.
///
/// Every step carries the loss and the count of right answers; a step on which diagnostics are due carries per-layer sums too.
public struct StatisticsLayout: Hashable, Sendable {
    /// L; layer 0 is the embedding, L + 1 the readout.
    public let depth: Int

    /// The layout for a network of `depth` layers.
    public init(depth: Int) { self.depth = depth }

    /// Loss sum and correct answers.
    static let always = 2
    /// Groups of parameters: 0…L+1.
    var groups: Int { depth + 2 }
    /// Representations: 0…L.
    var levels: Int { depth + 1 }

    /// The length of the vector.
    public func count(gathered: Bool) -> Int { gathered ? Self.always + groups + 3 * levels : Self.always }

    var squaredNorms: Range<Int> { Self.always..<Self.always + groups }
    var activations: Range<Int> { squaredNorms.upperBound..<squaredNorms.upperBound + levels }
    var deltas: Range<Int> { activations.upperBound..<activations.upperBound + levels }
    var cosines: Range<Int> { deltas.upperBound..<deltas.upperBound + levels }
}

/// The reduced scalars of one step, by name.
public struct StepStatistics: Hashable, Sendable {
    let layout: StatisticsLayout
    let values: [Double]

    /// Wraps a reduced vector, whose length must be one of the layout's two.
    public init(layout: StatisticsLayout, values: [Double]) {
        precondition(
            [layout.count(gathered: false), layout.count(gathered: true)].contains(values.count), "a vector of this layout")
        self.layout = layout
        self.values = values
    }

    /// Σ over the batch's examples.
    public var lossSum: Double { values[0] }
    public var correct: Int { Int(values[1]) }
    public var isGathered: Bool { values.count > StatisticsLayout.always }

    /// Σ_k ‖G_k‖² of each group of parameters 0…L+1, over the microbatches k.
    public var leafSquaredNorms: ArraySlice<Double> { values[layout.squaredNorms] }
    /// Σ ‖x_l‖² over the batch, l = 0…L.
    public var activationSquares: ArraySlice<Double> { values[layout.activations] }
    /// Σ ‖∂L/∂x_l‖² over the batch, l = 0…L.
    public var deltaSquares: ArraySlice<Double> { values[layout.deltas] }
    /// Σ_k of the mean pairwise cosine between examples of microbatch k, l = 0…L.
    public var cosineSums: ArraySlice<Double> { values[layout.cosines] }
}
