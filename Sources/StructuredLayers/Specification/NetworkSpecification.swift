import LinearAlgebra

/// What a network is trained to make small, per example.
public enum LossKind: String, Codable, CaseIterable, Sendable {
    /// −log softmax(logits)[class], in nats.
    case crossEntropy = "cross-entropy"
    /// ½‖outputs − target‖²; a class counts as the unit vector of its number.
    case squaredError = "squared-error"
}

/// How the inputs become the first representation x₀.
public struct EmbeddingSpecification: Codable, Hashable, Sendable {
    /// The kinds of embedding.
    public enum Kind: String, Codable, CaseIterable, Sendable {
        /// A trained dense map from the inputs to the width, with a bias.
        case dense
        /// The inputs themselves; they must be as many as the width.
        case identity
    }

    /// The kind.
    public var kind: Kind
    /// Applied to a dense embedding's output; `relu` makes it the first hidden layer of a plain MLP.
    public var activation: Activation

    /// An embedding; dense and linear unless told otherwise.
    public init(kind: Kind = .dense, activation: Activation = .none) {
        self.kind = kind
        self.activation = activation
    }
}

/// A network of L structured layers `x ↦ activation(path(x) + scale · cap(correction(x)) + b)` between an embedding and a readout.
///
/// It is a plain value; `Network` checks it and says what is wrong.
public struct NetworkSpecification: Codable, Hashable, Sendable {
    /// Features of an example.
    public var inputs: Int
    /// Classes, or values predicted.
    public var outputs: Int
    /// Units of every layer, n.
    public var width: Int
    /// Structured layers, L.
    public var depth: Int
    public var path: PathSpecification
    public var correction: CorrectionSpecification
    /// Applied to the sum of a layer's branches.
    public var activation: Activation
    /// Whether a layer adds a bias before its activation.
    public var bias: Bool
    public var loss: LossKind
    public var embedding: EmbeddingSpecification
    /// Whether blocks carry the learning-rate multipliers of their families; otherwise every multiplier is 1.
    public var learningRateScaling: Bool

    /// A specification; what is left out takes the usual value.
    public init(
        inputs: Int, outputs: Int, width: Int, depth: Int, path: PathSpecification = .dense,
        correction: CorrectionSpecification = .none, activation: Activation = .none, bias: Bool = true,
        loss: LossKind = .crossEntropy, embedding: EmbeddingSpecification = EmbeddingSpecification(),
        learningRateScaling: Bool = true
    ) {
        self.inputs = inputs
        self.outputs = outputs
        self.width = width
        self.depth = depth
        self.path = path
        self.correction = correction
        self.activation = activation
        self.bias = bias
        self.loss = loss
        self.embedding = embedding
        self.learningRateScaling = learningRateScaling
    }

    /// Refuses sizes that no network can have.
    func refuseImpossibleSizes() throws(SpecificationError) {
        let sizes = [("inputs", inputs), ("outputs", outputs), ("width", width), ("depth", depth)]
        for (key, value) in sizes where value < 1 || value > 1 << 20 {
            throw SpecificationError(keyPath: "model.\(key)", value: String(value), expectation: "1…\(1 << 20)")
        }
        if loss == .crossEntropy, outputs < 2 {
            throw SpecificationError(
                keyPath: "model.outputs", value: String(outputs), expectation: "2 or more for the cross-entropy loss")
        }
        if embedding.kind == .identity, inputs != width {
            throw SpecificationError(
                keyPath: "model.embedding.kind", value: "identity",
                expectation: "dense, as the inputs (\(inputs)) are not as many as the width (\(width))")
        }
        if embedding.kind == .identity, embedding.activation != .none {
            throw SpecificationError(
                keyPath: "model.embedding.activation", value: embedding.activation.rawValue,
                expectation: "none, as the identity embedding has no activation")
        }
    }
}
