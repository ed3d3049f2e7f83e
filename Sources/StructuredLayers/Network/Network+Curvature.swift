import LinearAlgebra

/// Which function's second derivative a difference of gradients yields.
public enum CurvatureKind: String, Codable, CaseIterable, Sendable {
    /// The loss itself: H = GGN + Σ ∂L/∂z·∂²z/∂θ².
    case hessian
    /// The loss of the network's linearisation at θ, the generalised Gauss–Newton matrix Σ Jᵀ·(∂²L/∂z²)·J.
    case gaussNewton = "gauss-newton"
    /// ½‖z‖² of the linearisation, Σ Jᵀ·J: its nonzero eigenvalues are those of the neural tangent kernel J·Jᵀ.
    case tangentKernel = "tangent-kernel"
}

/// Gradients near one point θ of one batch, whose central differences are products with a curvature matrix at θ.
///
/// A ReLU between layers follows the signs that it has at θ: the loss is then smooth in θ, and differences across kinks, whose
/// effect is as large as the Hessian itself, do not arise. What they approximate is the Hessian almost everywhere, as automatic
/// differentiation has it. ReLUs inside a path or a correction, caps and clips keep their kinks. Belongs to one thread at a time.
public struct ProbeGradient: Sendable {
    private let network: Network
    private let parameters: AlignedVector
    private let inputs: Matrix
    private let labels: [Int32]
    /// At θ.
    private var base: NetworkWorkspace
    /// At the point asked for.
    private var moved: NetworkWorkspace

    /// Two sets of buffers, and a forward pass at θ. `parameters: [layout.count]`, `inputs: [inputs, batch]`, a label an example.
    public init(_ network: Network, parameters: AlignedVector, inputs: Matrix, labels: [Int32]) {
        (self.network, self.parameters, self.inputs, self.labels) = (network, parameters, inputs, labels)
        var workspace = network.makeWorkspace(batch: inputs.columns)
        moved = workspace
        network.derive(parameters.span, into: &workspace)
        network.forward(parameters.span, inputs.view, &workspace)
        moved.pattern = network.pattern(of: workspace)
        base = workspace
    }

    /// The gradient at `point`, summed over the batch, of the loss that `kind` names; overwrites every block of `gradient`, those of
    /// state with what is no gradient. One derivation, one forward and one backward pass; one more forward pass for all but the Hessian.
    public mutating func gradient(_ kind: CurvatureKind, at point: Span<Float>, into gradient: inout MutableSpan<Float>) {
        let (network, parameters, inputs) = (network, parameters, inputs)
        network.derive(point, into: &moved)
        if kind == .hessian {
            _ = network.gradient(parameters: point, inputs: inputs.view, labels: labels, into: &gradient, workspace: &moved)
            return
        }
        network.forward(point, inputs.view, &moved)
        if kind == .gaussNewton { _ = network.loss(labels, &moved) }
        // A backward pass uses up what its forward pass left.
        network.forward(parameters.span, inputs.view, &base)
        base.logits = moved.logits
        network.backward(parameters.span, inputs.view, &gradient, &base)
    }
}

extension Network {
    /// The outputs of the last forward pass wherever a ReLU stands between layers.
    func pattern(of workspace: NetworkWorkspace) -> [Matrix?] {
        let activations = [specification.embedding.activation] + layers.map(\.activation)
        return zip(activations, workspace.outputs).map { $0 == .relu ? $1 : nil }
    }
}
