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
    /// On the initial weights of a dense embedding; a small one keeps tanh layers nearly linear at the start.
    public var scale: Double

    /// An embedding; dense and linear unless told otherwise.
    public init(kind: Kind = .dense, activation: Activation = .none, scale: Double = 1) {
        self.kind = kind
        self.activation = activation
        self.scale = scale
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
    /// Units of x₀…x_L, L + 1 numbers, so that layer l maps the l-th to the next; or one number for all of them.
    public var widths: [Int]
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
        widths = [width]
        self.depth = depth
        self.path = path
        self.correction = correction
        self.activation = activation
        self.bias = bias
        self.loss = loss
        self.embedding = embedding
        self.learningRateScaling = learningRateScaling
    }

    /// n of a network whose layers keep it; the largest of several widths.
    public var width: Int {
        get { widths.max() ?? 0 }
        set { widths = [newValue] }
    }

    /// Units of x₀…x_L, all written out.
    public var levelWidths: [Int] { widths.count == 1 ? Array(repeating: widths[0], count: depth + 1) : widths }

    /// Refuses sizes that no network can have.
    func refuseImpossibleSizes() throws(SpecificationError) {
        let sizes = [("inputs", inputs), ("outputs", outputs), ("depth", depth)] + widths.map { ("width", $0) }
        for (key, value) in sizes where value < 1 || value > 1 << 20 {
            throw SpecificationError(keyPath: "model.\(key)", value: String(value), expectation: "1…\(1 << 20)")
        }
        guard widths.count == 1 || widths.count == depth + 1 else {
            throw SpecificationError(
                keyPath: "model.width", value: "\(widths.count) numbers",
                expectation:
                    "one number for all layers, or \(depth + 1): one more than model.depth, as layer l maps the l-th to the next")
        }
        if loss == .crossEntropy, outputs < 2 {
            throw SpecificationError(
                keyPath: "model.outputs", value: String(outputs), expectation: "2 or more for the cross-entropy loss")
        }
        let width = widths[0]
        if embedding.kind == .identity, inputs != width {
            throw SpecificationError(
                keyPath: "model.embedding.kind", value: "identity",
                expectation: "dense, as the inputs (\(inputs)) are not as many as the width (\(width))")
        }
        guard embedding.scale > 0, embedding.scale.isFinite, embedding.kind == .dense || embedding.scale == 1 else {
            throw SpecificationError(
                keyPath: "model.embedding.scale", value: String(embedding.scale),
                expectation: embedding.kind == .dense ? "a number above 0" : "1, as the identity embedding has no weights")
        }
        if embedding.kind == .identity, embedding.activation != .none {
            throw SpecificationError(
                keyPath: "model.embedding.activation", value: embedding.activation.rawValue,
                expectation: "none, as the identity embedding has no activation")
        }
    }
}
