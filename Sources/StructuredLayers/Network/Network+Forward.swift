import LinearAlgebra

extension Network {
    /// Loss and right answers of a batch, without gradients. `inputs: [inputs, batch]`.
    public func evaluate(parameters: Span<Float>, inputs: MatrixView, labels: [Int32], workspace: inout NetworkWorkspace)
        -> MicrobatchOutcome
    {
        forward(parameters, inputs, &workspace)
        let (lossSum, correct) = loss(labels, &workspace)
        return MicrobatchOutcome(lossSum: lossSum, correct: correct, sums: LayerSums())
    }

    /// The outputs [outputs, batch] of a batch.
    public func predict(parameters: Span<Float>, inputs: MatrixView, workspace: inout NetworkWorkspace) -> Matrix {
        forward(parameters, inputs, &workspace)
        return workspace.logits
    }

    func forward(_ parameters: Span<Float>, _ inputs: MatrixView, _ workspace: inout NetworkWorkspace) {
        forward(parameters, inputs, &workspace, derives: false) { (_) throws(Never) in }
    }

    /// As above; `layerNeeded` is called with 0, 1, …, L + 1 before anything of that group of blocks is read, and may throw to end the
    /// pass. With `derives` each layer's derived values are worked out when the pass reaches it.
    func forward<Failure>(
        _ parameters: Span<Float>, _ inputs: MatrixView, _ workspace: inout NetworkWorkspace, derives: Bool,
        layerNeeded: (Int) throws(Failure) -> Void
    ) throws(Failure) {
        precondition(inputs.rows == specification.inputs && inputs.columns == workspace.batch, "inputs: [inputs, batch]")
        try layerNeeded(0)
        embed(parameters, inputs, &workspace)
        for index in layers.indices {
            try layerNeeded(index + 1)
            if derives { layers[index].derive(parameters, places[index], &workspace.layers[index]) }
            let x = workspace.outputs[index]
            var y = workspace.outputs[index + 1].mutableView
            layers[index].forward(
                x.view, parameters, places[index], &workspace.layers[index], pattern: workspace.pattern?[index + 1], into: &y)
        }
        try layerNeeded(layers.count + 1)
        let last = workspace.outputs[layers.count]
        var logits = workspace.logits.mutableView
        let weight = MatrixView(parameters.extracting(readout.weight), rows: specification.outputs, columns: last.rows)
        BLAS.gemm(weight, last.view, into: &logits)
        VectorKernels.addBias(parameters.extracting(readout.bias), activation: .none, to: &logits)
    }

    private func embed(_ parameters: Span<Float>, _ inputs: MatrixView, _ workspace: inout NetworkWorkspace) {
        var x = workspace.outputs[0].mutableView
        guard let embedding else { return VectorKernels.copy(inputs.elements, into: &x.elements) }
        let weight = MatrixView(parameters.extracting(embedding.weight), rows: x.rows, columns: specification.inputs)
        BLAS.gemm(weight, inputs, into: &x)
        let pattern = workspace.pattern?[0]
        VectorKernels.addBias(
            parameters.extracting(embedding.bias), activation: pattern == nil ? specification.embedding.activation : .none, to: &x)
        if let pattern { VectorKernels.multiplyByDerivative(of: .relu, output: pattern.view, gradient: &x) }
    }
}
