import LinearAlgebra

/// One layer by itself with its parameters and the buffers of a batch: what measurements and checks of a family work on.
///
/// It is the very layer that a network of this width and depth 1 has, built, initialised and derived in the same way.
/// Activations are [width, batch], feature-major. `derive`, `forward` and `backward` do not allocate. One thread at a time.
public struct StandaloneLayer: Sendable {
    /// The flat vector, in which `blocks` name the places; call `derive` after changing it.
    public var parameters: AlignedVector
    /// Of the last `backward`, in the layout of `parameters`.
    public private(set) var gradient: AlignedVector
    /// y of the last `forward`, [width, batch].
    public private(set) var output: Matrix
    /// ∂L/∂x of the last `backward`, [width, batch].
    public private(set) var inputGradient: Matrix
    private let network: Network
    private var work: StructuredLayer.Work

    /// A new layer, initialised and derived.
    ///
    /// - Throws: `SpecificationError` with the key, the value and what is allowed.
    public init(
        width: Int, batch: Int, path: PathSpecification, correction: CorrectionSpecification = .none,
        activation: Activation = .none,
        bias: Bool = true, seed: UInt64 = 0, families: LayerFamilies = .builtin
    ) throws(SpecificationError) {
        precondition(batch >= 1, "a batch has examples")
        network = try Network(
            NetworkSpecification(
                inputs: width, outputs: 1, width: width, depth: 1, path: path, correction: correction, activation: activation,
                bias: bias, loss: .squaredError, embedding: EmbeddingSpecification(kind: .identity)), families: families)
        parameters = network.initialParameters(seed: seed)
        gradient = AlignedVector(count: network.layout.count)
        (output, inputGradient) = (Matrix(rows: width, columns: batch), Matrix(rows: width, columns: batch))
        work = network.layers[0].makeWork(batch: batch)
        derive()
    }

    public var width: Int { network.specification.width }
    public var batch: Int { output.columns }
    public var path: any PathFamily { network.layers[0].path }
    /// With every option written out.
    public var pathSpecification: PathSpecification { network.specification.path }
    /// The layer's own blocks.
    public var blocks: [ParameterBlock] { network.layout.blocks.filter { $0.layer == 1 } }

    /// Trained elements of the layer.
    public var parameterCount: Int { blocks.filter { $0.role == .parameter }.reduce(0) { $0 + $1.range.count } }

    /// Works out what depends on the parameters alone.
    public mutating func derive() { Self.derive(network, parameters, &work) }

    // Static, so that each buffer is an access of its own.
    private static func derive(_ network: Network, _ parameters: AlignedVector, _ work: inout StructuredLayer.Work) {
        network.layers[0].derive(parameters.span, network.places[0], &work)
    }

    /// `output` ← the layer at x, [width, batch].
    public mutating func forward(_ x: Matrix) { Self.forward(network, x, parameters, &work, &output) }

    private static func forward(
        _ network: Network, _ x: Matrix, _ parameters: AlignedVector, _ work: inout StructuredLayer.Work, _ output: inout Matrix
    ) {
        var y = output.mutableView
        network.layers[0].forward(x.view, parameters.span, network.places[0], &work, into: &y)
    }

    /// `gradient` and `inputGradient` from g = ∂L/∂y of the last `forward`, at the same x; g becomes the gradient before the activation.
    public mutating func backward(_ x: Matrix, gradient g: inout Matrix) {
        Self.backward(network, x, output, &g, parameters, &work, &gradient, &inputGradient)
    }

    private static func backward(
        _ network: Network, _ x: Matrix, _ y: Matrix, _ g: inout Matrix, _ parameters: AlignedVector,
        _ work: inout StructuredLayer.Work, _ gradient: inout AlignedVector, _ inputGradient: inout Matrix
    ) {
        var incoming = g.mutableView
        var blockGradients = gradient.mutableSpan
        var dx = inputGradient.mutableView
        network.layers[0].backward(
            x.view, output: y.view, gradient: &incoming, parameters.span, network.places[0], &work,
            blockGradients: &blockGradients, into: &dx)
    }

    /// J·v at the x of the last `forward`, [width, batch].
    public mutating func jvp(_ x: Matrix, _ v: Matrix) -> Matrix {
        var result = Matrix(rows: width, columns: batch)
        Self.jvp(network, x, v, output, parameters, &work, &result)
        return result
    }

    private static func jvp(
        _ network: Network, _ x: Matrix, _ v: Matrix, _ y: Matrix, _ parameters: AlignedVector,
        _ work: inout StructuredLayer.Work, _ result: inout Matrix
    ) {
        var t = result.mutableView
        network.layers[0].jvp(x.view, v.view, output: y.view, parameters.span, network.places[0], &work, into: &t)
    }

    /// What is proven of the layer.
    ///
    /// - Throws: `LAPACKError` when the parameters are not finite.
    public func certificate() throws(LAPACKError) -> LayerCertificate { try network.certificates(parameters)[0] }

    /// The singular values of the path in closed form, descending, where they are known.
    public var analyticSpectrum: [Double]? {
        path.analyticSpectrum(parameters: parameters.span, at: network.places[0].path)
    }

    /// Overwrites the gradients, as a test of who writes what.
    mutating func fillGradients(with value: Float) {
        var span = gradient.mutableSpan
        VectorKernels.fill(&span, with: value)
        var dx = inputGradient.mutableSpan
        VectorKernels.fill(&dx, with: value)
    }
}
