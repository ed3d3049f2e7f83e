import LinearAlgebra

/// Which matrix is multiplied.
public enum CurvatureKind: String, Codable, CaseIterable, Sendable {
    /// The loss' second derivative: H = GGN + Σ ∂L/∂z·∂²z/∂θ².
    case hessian
    /// The second derivative of the loss of the network's linearisation at θ, the generalised Gauss–Newton matrix Σ Jᵀ·(∂²L/∂z²)·J.
    case gaussNewton = "gauss-newton"
    /// That of ½‖z‖² of the linearisation, Σ Jᵀ·J: its nonzero eigenvalues are those of the neural tangent kernel J·Jᵀ.
    case tangentKernel = "tangent-kernel"
    /// Σ g·gᵀ over the examples' gradients g, whose labels are the data's: not the Fisher matrix itself (Kunstner et al., 2019).
    case empiricalFisher = "empirical-fisher"
}

/// Products with the curvature matrices of one batch at one point θ: exact but for rounding where every layer is a `TangentPath` with a
/// bias and an activation, else central differences of gradients.
///
/// The Hessian is the Hessian almost everywhere, as automatic differentiation has it: a ReLU between layers keeps the signs that it has
/// at θ. Belongs to one thread at a time. Oracles: float64 Hessians, and the two methods each other.
public struct CurvatureProduct: Sendable {
    private var tangent: NetworkTangent?
    private var difference: GradientDifference?

    /// A forward and a backward pass, and their buffers. `parameters: [layout.count]`, `inputs: [inputs, batch]`, a label an example.
    public init(_ network: Network, parameters: AlignedVector, inputs: Matrix, labels: [Int32]) {
        tangent = NetworkTangent(network, parameters: parameters, inputs: inputs, labels: labels)
        if tangent == nil {
            difference = GradientDifference(network, parameters: parameters, inputs: inputs, labels: labels)
        }
    }

    /// Whether no differences are taken.
    public var isExact: Bool { tangent != nil }

    /// The product with v, summed over the batch, into every block of `target`; in those of state it leaves what is no product.
    ///
    /// - Parameters:
    ///   - v: [layout.count], zero outside trained blocks.
    ///   - step: ‖h·v‖ of (∇L(θ + h·v) − ∇L(θ − h·v))/2h, where differences are taken.
    public mutating func product(
        _ kind: CurvatureKind, _ v: Span<Float>, step: Double, into target: inout MutableSpan<Float>
    ) {
        tangent?.product(kind, v, into: &target)
        difference?.product(kind, v, length: step, into: &target)
    }
}
