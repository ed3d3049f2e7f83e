import LinearAlgebra

/// Products with a curvature matrix at θ by central differences of one batch's gradients.
///
/// A ReLU between layers follows the signs that it has at θ: the loss is then smooth in θ, and differences across kinks, whose
/// effect is as large as the Hessian itself, do not arise. What they approximate is the Hessian almost everywhere, as automatic
/// differentiation has it. ReLUs inside a path or a correction, caps and clips keep their kinks. Belongs to one thread at a time.
struct GradientDifference: Sendable {
    private let network: Network
    private let parameters: AlignedVector
    private let inputs: Matrix
    private let labels: [Int32]
    /// At θ.
    private var base: NetworkWorkspace
    /// ∂L/∂z at θ, [outputs, batch].
    private let residual: Matrix
    /// At the point asked for.
    private var moved: NetworkWorkspace
    /// θ ± h·v.
    private var point: AlignedVector

    /// Two sets of buffers, and a forward pass at θ. `parameters: [layout.count]`, `inputs: [inputs, batch]`, a label an example.
    init(_ network: Network, parameters: AlignedVector, inputs: Matrix, labels: [Int32]) {
        (self.network, self.parameters, self.inputs, self.labels) = (network, parameters, inputs, labels)
        var workspace = network.makeWorkspace(batch: inputs.columns)
        moved = workspace
        network.derive(parameters.span, into: &workspace)
        network.forward(parameters.span, inputs.view, &workspace)
        moved.pattern = network.pattern(of: workspace)
        _ = network.loss(labels, &workspace)
        residual = workspace.logits
        base = workspace
        point = parameters
    }

    /// (g(θ + h·v) − g(θ − h·v))/2h, summed over the batch, ‖h·v‖ = `length`. Two gradients.
    mutating func product(_ kind: CurvatureKind, _ v: Span<Float>, length: Double, into target: inout MutableSpan<Float>) {
        let norm = VectorKernels.sumOfSquares(v).squareRoot()
        if norm == 0 { return VectorKernels.fill(&target, with: 0) }
        let step = Float(length / norm)
        move(by: step, v)
        gradient(kind, into: &target)
        move(by: -step, v)
        var second = AlignedVector(count: parameters.count)
        do {
            var elements = second.mutableSpan
            gradient(kind, into: &elements)
        }
        VectorKernels.subtract(second.span, from: &target)
        VectorKernels.scale(&target, by: 1 / (2 * step))
    }

    private mutating func move(by step: Float, _ v: Span<Float>) {
        let origin = parameters
        var elements = point.mutableSpan
        VectorKernels.copy(origin.span, into: &elements)
        VectorKernels.axpy(step, v, into: &elements)
    }

    /// The gradient at `point`, summed over the batch, of the loss that `kind` names; overwrites every block of `gradient`, those of
    /// state with what is no gradient. One derivation, one forward and one backward pass; one more forward pass for all but the Hessian.
    private mutating func gradient(_ kind: CurvatureKind, into gradient: inout MutableSpan<Float>) {
        let (network, parameters, inputs, point, u) = (network, parameters, inputs, point, residual)
        network.derive(point.span, into: &moved)
        if kind == .hessian {
            _ = network.gradient(parameters: point.span, inputs: inputs.view, labels: labels, into: &gradient, workspace: &moved)
            return
        }
        network.forward(point.span, inputs.view, &moved)
        switch kind {
        case .gaussNewton: _ = network.loss(labels, &moved)
        case .empiricalFisher:
            var logits = moved.logits.mutableView
            Network.project(&logits, on: u)
        case .hessian, .tangentKernel: break
        }
        // A backward pass uses up what its forward pass left.
        network.forward(parameters.span, inputs.view, &base)
        base.logits = moved.logits
        network.backward(parameters.span, inputs.view, &gradient, &base)
    }
}

extension Network {
    /// z_b ← u_b·⟨u_b, z_b⟩ of every example; `z, u: [outputs, batch]`.
    static func project(_ z: inout MutableMatrixView, on u: Matrix) {
        let (rows, batch) = (z.rows, z.columns)
        for b in 0..<batch {
            var product = 0.0
            for c in 0..<rows { product += Double(u.span[c * batch + b]) * Double(z.elements[c * batch + b]) }
            for c in 0..<rows { z.elements[c * batch + b] = u.span[c * batch + b] * Float(product) }
        }
    }

    /// The outputs of the last forward pass wherever a ReLU stands between layers.
    func pattern(of workspace: NetworkWorkspace) -> [Matrix?] {
        let activations = [specification.embedding.activation] + layers.map(\.activation)
        return zip(activations, workspace.outputs).map { $0 == .relu ? $1 : nil }
    }
}
