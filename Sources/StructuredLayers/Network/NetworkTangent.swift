import LinearAlgebra

/// The gradient of one batch at θ, differentiated along a direction v: products with a curvature matrix, exact but for rounding
/// (Pearlmutter, 1994).
///
/// What depends on θ alone is worked out once: the forward pass, and each level's gradient. A product is a forward and a backward pass
/// of tangents, a dot marking them: for a dense layer six products of matrices, where differences of two gradients take as many and two
/// sets of parameters besides; for the embedding two instead of four. Belongs to one thread at a time.
struct NetworkTangent: Sendable {
    let network: Network
    let parameters: AlignedVector
    let inputs: Matrix
    let paths: [any TangentPath]
    /// At θ: x₀…x_L in `outputs`.
    var base: NetworkWorkspace
    /// u = ∂L/∂z, [outputs, batch].
    let residual: Matrix
    /// Of the cross-entropy, an example each; nil for squares.
    let labels: [Int32]?
    /// g_l, the loss' gradient before the activation, l = 0…L.
    var gradients: [Matrix]
    /// Where the activation is curved, σ″·∂L/∂x_l/σ′: what ġ_l takes of ẋ_l.
    var bends: [Matrix?]
    /// ẋ₀…ẋ_L.
    var tangents: [Matrix]
    /// ż, then u̇.
    var outputTangent: Matrix
    /// Two gradients' tangents, used by turns, each in the front of the largest.
    var incoming: AlignedVector
    var outgoing: AlignedVector

    /// Nil where a layer has more than a path whose gradient can be differentiated. `inputs: [inputs, batch]`, a label an example.
    init?(_ network: Network, parameters: AlignedVector, inputs: Matrix, labels: [Int32]) {
        paths = network.layers.compactMap(\.tangentPath)
        if paths.count < network.layers.count { return nil }
        (self.network, self.parameters, self.inputs) = (network, parameters, inputs)
        var workspace = network.makeWorkspace(batch: inputs.columns)
        network.derive(parameters.span, into: &workspace)
        network.forward(parameters.span, inputs.view, &workspace)
        _ = network.loss(labels, &workspace)
        residual = workspace.logits
        self.labels = network.specification.loss == .crossEntropy ? labels : nil
        let shapes = workspace.outputs.map { ($0.rows, $0.columns) }
        tangents = shapes.map { Matrix(rows: $0.0, columns: $0.1) }
        outputTangent = residual
        (incoming, outgoing) = (workspace.gradients[0], workspace.gradients[1])
        (gradients, bends) = network.levelGradients(parameters, &workspace)
        base = workspace
    }

    /// H·v, summed over the batch, into every block of `target`; `v, target: [layout.count]`.
    mutating func product(_ kind: CurvatureKind, _ v: Span<Float>, into target: inout MutableSpan<Float>) {
        forward(v)
        let u = residual
        switch kind {
        case .hessian:
            differentiateLoss()
            return backward(v, &target)
        case .gaussNewton: differentiateLoss()
        case .empiricalFisher:
            var logits = outputTangent.mutableView
            Network.project(&logits, on: u)
        case .tangentKernel: break
        }
        // Of the linearised network the gradient of the outputs alone moves.
        let (network, parameters, inputs) = (network, parameters, inputs)
        base.logits = outputTangent
        network.backward(parameters.span, inputs.view, &target, &base)
    }

    /// u̇ ← ∂²L/∂z²·ż: p ⊙ ż − p·pᵀż for the cross-entropy, ż for squares.
    ///
    /// The right class's p is near 1 where an example is learnt, and the little that is left is all of its curvature. So ż is taken less
    /// that class's, and its u̇ is what makes the sum 0: only the other classes' p, the residual itself, come in.
    private mutating func differentiateLoss() {
        guard let labels else { return }
        let (classes, batch, p) = (residual.rows, residual.columns, residual)
        var z = outputTangent.mutableSpan
        for (b, label) in labels.enumerated() {
            let right = Int(label) * batch + b
            let level = Double(z[right])
            var mean = 0.0
            for c in 0..<classes where c * batch + b != right {
                mean += Double(p.span[c * batch + b]) * (Double(z[c * batch + b]) - level)
            }
            var sum = 0.0
            for c in 0..<classes where c * batch + b != right {
                let value = Double(p.span[c * batch + b]) * (Double(z[c * batch + b]) - level - mean)
                sum += value
                z[c * batch + b] = Float(value)
            }
            z[right] = Float(-sum)
        }
    }
}

extension StructuredLayer {
    /// The path, where it is all that the layer has besides a bias and an activation, and where its gradient can be differentiated.
    var tangentPath: (any TangentPath)? { correction == nil ? path as? any TangentPath : nil }
}

extension Network {
    /// The activation after each level's map, l = 0…L.
    var activations: [Activation] {
        [embedding == nil ? .none : specification.embedding.activation] + layers.map(\.activation)
    }

    /// From ∂L/∂z in `workspace.logits`, after a forward pass: g_l, and what the activation's curvature makes of ∂L/∂x_l.
    fileprivate func levelGradients(_ parameters: AlignedVector, _ workspace: inout NetworkWorkspace) -> ([Matrix], [Matrix?]) {
        var (gradients, bends): ([Matrix], [Matrix?]) = ([], [])
        // The gradients of the blocks, which nobody wants.
        var unwanted = AlignedVector(count: layout.count)
        let last = workspace.outputs[layers.count]
        var g = Matrix(rows: last.rows, columns: last.columns)
        do {
            var view = g.mutableView
            let weight = MatrixView(parameters.span.extracting(readout.weight), rows: specification.outputs, columns: last.rows)
            BLAS.gemm(weight, transposeA: true, workspace.logits.view, into: &view)
        }
        for level in (0...layers.count).reversed() {
            let (x, activation) = (workspace.outputs[level], activations[level])
            bends.append(activation == .tanh ? Self.bend(x, g) : nil)
            do {
                var view = g.mutableView
                VectorKernels.multiplyByDerivative(of: activation, output: x.view, gradient: &view)
            }
            gradients.append(g)
            if level == 0 { break }
            let below = workspace.outputs[level - 1]
            var dx = Matrix(rows: below.rows, columns: below.columns)
            do {
                var view = dx.mutableView
                var blocks = unwanted.mutableSpan
                layers[level - 1].path.backward(
                    below.view, gradient: g.view, parameters: parameters.span, at: places[level - 1].path,
                    derived: workspace.layers[level - 1].pathDerived, scratch: &workspace.layers[level - 1].pathScratch,
                    blockGradients: &blocks, into: &view)
            }
            g = dx
        }
        return (gradients.reversed(), bends.reversed())
    }

    /// −2·y ⊙ ∂L/∂y: tanh″·ż = −2·y·ẏ.
    private static func bend(_ y: Matrix, _ gradient: Matrix) -> Matrix {
        var result = gradient
        var elements = result.mutableSpan
        VectorKernels.multiply(&elements, by: y.span)
        VectorKernels.scale(&elements, by: -2)
        return result
    }
}
