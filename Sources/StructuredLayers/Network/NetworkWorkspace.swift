import LinearAlgebra

/// Every buffer of a microbatch, allocated once. Belongs to one thread at a time.
public struct NetworkWorkspace: Sendable {
    public let batch: Int
    /// x₀…x_L, [units, batch] each.
    var outputs: [Matrix]
    /// [outputs, batch]: the readout, then its gradient.
    var logits: Matrix
    var exponentials: Matrix
    /// Two gradients, as large as the largest x, used by turns; a smaller one lies at the front.
    var gradients: [AlignedVector]
    var layers: [StructuredLayer.Work]
    var gathered = LayerSums()
    var columnNorms: [Double] = []
    /// Outputs of another pass whose signs the ReLUs follow, l = 0…L; nil where there is no ReLU to hold.
    var pattern: [Matrix?]?

    init(_ network: Network, batch: Int) {
        precondition(batch >= 1, "a batch has examples")
        self.batch = batch
        let specification = network.specification
        let (widths, classes) = (specification.levelWidths, specification.outputs)
        outputs = widths.map { Matrix(rows: $0, columns: batch) }
        logits = Matrix(rows: classes, columns: batch)
        exponentials = Matrix(rows: classes, columns: batch)
        gradients = (0..<2).map { _ in AlignedVector(count: specification.width * batch) }
        layers = network.layers.map { $0.makeWork(batch: batch) }
    }
}

/// Per-layer sums of one microbatch, l = 0…L, gathered when asked for.
public struct LayerSums: Hashable, Sendable {
    /// Σ_b ‖x_l‖².
    public var activationSquares: [Double] = []
    /// Σ_b ‖∂L/∂x_l‖².
    public var deltaSquares: [Double] = []
    /// Mean pairwise cosine between the examples' x_l: (‖Σ_b x_b/‖x_b‖‖² − B)/(B(B − 1)); 0 for one example.
    public var cosines: [Double] = []

    /// Empties them; their memory serves for the next ones.
    mutating func clear() {
        activationSquares.removeAll(keepingCapacity: true)
        deltaSquares.removeAll(keepingCapacity: true)
        cosines.removeAll(keepingCapacity: true)
    }
}

/// What a microbatch amounts to.
public struct MicrobatchOutcome: Hashable, Sendable {
    /// Summed over the examples.
    public var lossSum: Double
    /// Examples whose largest output is their class.
    public var correct: Int
    /// Empty unless asked for.
    public var sums: LayerSums
}
