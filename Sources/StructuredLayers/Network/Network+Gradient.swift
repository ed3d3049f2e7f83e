import LinearAlgebra

extension Network {
    /// Loss and gradient of a microbatch; the gradient, of the loss summed over the examples, overwrites every block of `gradient`.
    ///
    /// - Parameters:
    ///   - parameters: the flat vector that the workspace was derived from.
    ///   - inputs: `[inputs, batch]`.
    ///   - gathers: whether the per-layer sums are taken too.
    ///   - layerReady: called with L + 1, L, …, 0 as soon as all gradients of that group of blocks are final.
    public func gradient(
        parameters: Span<Float>, inputs: MatrixView, labels: [Int32], into gradient: inout MutableSpan<Float>,
        workspace: inout NetworkWorkspace, gathers: Bool = false, layerReady: (Int) -> Void = { _ in }
    ) -> MicrobatchOutcome {
        self.gradient(
            parameters: parameters, inputs: inputs, labels: labels, into: &gradient, workspace: &workspace, gathers: gathers,
            derives: false, layerNeeded: { (_) throws(Never) in }, layerReady: layerReady)
    }

    /// As above, of parameters that may still be arriving.
    ///
    /// - Parameters:
    ///   - derives: whether the pass works out each layer's derived values itself, so that `derive` need not be called before.
    ///   - layerNeeded: called with 0, 1, …, L + 1 before forward reads anything of that group of blocks; when it throws, the gradient
    ///     and the derived values are void.
    public func gradient<Failure>(
        parameters: Span<Float>, inputs: MatrixView, labels: [Int32], into gradient: inout MutableSpan<Float>,
        workspace: inout NetworkWorkspace, gathers: Bool, derives: Bool, layerNeeded: (Int) throws(Failure) -> Void,
        layerReady: (Int) -> Void
    ) throws(Failure) -> MicrobatchOutcome {
        try forward(parameters, inputs, &workspace, derives: derives, layerNeeded: layerNeeded)
        if gathers { gatherActivations(&workspace) }
        let (lossSum, correct) = loss(labels, &workspace)
        backward(parameters, inputs, &gradient, &workspace, gathers: gathers, layerReady: layerReady)
        if gathers { workspace.gathered.deltaSquares.reverse() }
        return MicrobatchOutcome(lossSum: lossSum, correct: correct, sums: gathers ? workspace.gathered : LayerSums())
    }

    /// From ∂L/∂logits in `workspace.logits`, after a forward pass at the same parameters: the gradient of every block.
    func backward(
        _ parameters: Span<Float>, _ inputs: MatrixView, _ gradient: inout MutableSpan<Float>, _ workspace: inout NetworkWorkspace,
        gathers: Bool = false, layerReady: (Int) -> Void = { _ in }
    ) {
        backwardReadout(parameters, &gradient, &workspace)
        layerReady(layers.count + 1)
        for index in layers.indices.reversed() {
            if gathers { gatherDelta(index + 1, &workspace) }
            backwardLayer(index, parameters, &gradient, &workspace)
            layerReady(index + 1)
        }
        if gathers { gatherDelta(0, &workspace) }
        backwardEmbedding(inputs, &gradient, &workspace)
        layerReady(0)
    }

    private func backwardReadout(
        _ parameters: Span<Float>, _ gradient: inout MutableSpan<Float>, _ workspace: inout NetworkWorkspace
    ) {
        let (logits, last) = (workspace.logits, workspace.outputs[layers.count])
        let weight = MatrixView(parameters.extracting(readout.weight), rows: specification.outputs, columns: last.rows)
        var all = workspace.gradients[0].mutableSpan
        var g = MutableMatrixView(all.part(0..<last.rows * last.columns), rows: last.rows, columns: last.columns)
        BLAS.gemm(weight, transposeA: true, logits.view, into: &g)
        do {
            var dw = MutableMatrixView(gradient.part(readout.weight), rows: specification.outputs, columns: last.rows)
            BLAS.gemm(logits.view, last.view, transposeB: true, into: &dw)
        }
        var db = gradient.part(readout.bias)
        VectorKernels.rowSums(logits.view, into: &db)
    }

    private func backwardLayer(
        _ index: Int, _ parameters: Span<Float>, _ gradient: inout MutableSpan<Float>, _ workspace: inout NetworkWorkspace
    ) {
        let (x, y) = (workspace.outputs[index], workspace.pattern?[index + 1] ?? workspace.outputs[index + 1])
        Self.layer(
            layers[index], x, y, parameters, places[index], &workspace.layers[index], &gradient, &workspace.gradients)
        workspace.gradients.swapAt(0, 1)
    }

    private static func layer(
        _ layer: StructuredLayer, _ x: Matrix, _ y: Matrix, _ parameters: Span<Float>, _ places: StructuredLayer.Places,
        _ work: inout StructuredLayer.Work, _ gradient: inout MutableSpan<Float>, _ gradients: inout [AlignedVector]
    ) {
        var (incoming, outgoing) = (gradients[0], gradients[1])
        gradients.removeAll(keepingCapacity: true)
        do {
            var above = incoming.mutableSpan
            var below = outgoing.mutableSpan
            var g = MutableMatrixView(above.part(0..<y.rows * y.columns), rows: y.rows, columns: y.columns)
            var dx = MutableMatrixView(below.part(0..<x.rows * x.columns), rows: x.rows, columns: x.columns)
            layer.backward(
                x.view, output: y.view, gradient: &g, parameters, places, &work, blockGradients: &gradient, into: &dx)
        }
        gradients.append(incoming)
        gradients.append(outgoing)
    }

    private func backwardEmbedding(_ inputs: MatrixView, _ gradient: inout MutableSpan<Float>, _ workspace: inout NetworkWorkspace)
    {
        guard let embedding else { return }
        let x = workspace.outputs[0]
        var all = workspace.gradients[0].mutableSpan
        var g = MutableMatrixView(all.part(0..<x.rows * x.columns), rows: x.rows, columns: x.columns)
        let y = workspace.pattern?[0] ?? x
        VectorKernels.multiplyByDerivative(of: specification.embedding.activation, output: y.view, gradient: &g)
        do {
            var dw = MutableMatrixView(gradient.part(embedding.weight), rows: x.rows, columns: specification.inputs)
            BLAS.gemm(g.view, inputs, transposeB: true, into: &dw)
        }
        var db = gradient.part(embedding.bias)
        VectorKernels.rowSums(g.view, into: &db)
    }
}

// MARK: - Per-layer sums

extension Network {
    private func gatherActivations(_ workspace: inout NetworkWorkspace) {
        workspace.gathered.clear()
        for x in workspace.outputs {
            workspace.gathered.activationSquares.append(VectorKernels.sumOfSquares(x.span))
            workspace.gathered.cosines.append(meanCosine(x, &workspace.columnNorms))
        }
    }

    /// From the top down: x_L first.
    private func gatherDelta(_ level: Int, _ workspace: inout NetworkWorkspace) {
        let (g, x) = (workspace.gradients[0], workspace.outputs[level])
        workspace.gathered.deltaSquares.append(VectorKernels.sumOfSquares(g.span.extracting(0..<x.rows * x.columns)))
    }

    private func meanCosine(_ x: Matrix, _ norms: inout [Double]) -> Double {
        let (batch, values) = (x.columns, x.span)
        if batch < 2 { return 0 }
        if norms.count != batch { norms = Array(repeating: 0, count: batch) }
        var span = norms.mutableSpan
        VectorKernels.columnSumsOfSquares(x.view, into: &span)
        for b in 0..<batch { span[b] = span[b] > 0 ? 1 / span[b].squareRoot() : 0 }
        var total = 0.0
        for row in 0..<x.rows {
            var sum = 0.0
            for b in 0..<batch { sum += Double(values[row * batch + b]) * span[b] }
            total += sum * sum
        }
        return (total - Double(batch)) / (Double(batch) * Double(batch - 1))
    }
}
