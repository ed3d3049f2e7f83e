import LinearAlgebra

extension NetworkTangent {
    /// ẋ₀…ẋ_L and ż along v.
    mutating func forward(_ v: Span<Float>) {
        embed(v)
        for index in paths.indices {
            let (x, xDot, places) = (base.outputs[index], tangents[index], network.places[index])
            let (path, output) = (paths[index], base.outputs[index + 1])
            let (activation, theta) = (network.layers[index].activation, parameters)
            var y = tangents[index + 1].mutableView
            path.forwardTangent(
                x.view, tangent: xDot.view, parameters: theta.span, direction: v, at: places.path, into: &y)
            VectorKernels.addBias(v.extracting(places.bias ?? 0..<0), activation: .none, to: &y)
            VectorKernels.multiplyByDerivative(of: activation, output: output.view, gradient: &y)
        }
        let (x, xDot, theta, place) = (base.outputs[paths.count], tangents[paths.count], parameters, network.readout)
        var z = outputTangent.mutableView
        BLAS.gemm(MatrixView(theta.span.extracting(place.weight), rows: z.rows, columns: x.rows), xDot.view, into: &z)
        BLAS.gemm(MatrixView(v.extracting(place.weight), rows: z.rows, columns: x.rows), x.view, beta: 1, into: &z)
        VectorKernels.addBias(v.extracting(place.bias), activation: .none, to: &z)
    }

    /// ẋ₀; zero where the inputs are x₀ themselves.
    private mutating func embed(_ v: Span<Float>) {
        guard let embedding = network.embedding else { return }
        let (inputs, output, activation) = (inputs, base.outputs[0], network.activations[0])
        var x = tangents[0].mutableView
        BLAS.gemm(MatrixView(v.extracting(embedding.weight), rows: x.rows, columns: inputs.rows), inputs.view, into: &x)
        VectorKernels.addBias(v.extracting(embedding.bias), activation: .none, to: &x)
        VectorKernels.multiplyByDerivative(of: activation, output: output.view, gradient: &x)
    }

    /// From u̇ the derivative of every block's gradient along v.
    mutating func backward(_ v: Span<Float>, _ target: inout MutableSpan<Float>) {
        backwardReadout(v, &target)
        for index in paths.indices.reversed() {
            passActivation(level: index + 1)
            backwardLayer(index, v, &target)
            swap(&incoming, &outgoing)
        }
        backwardEmbedding(&target)
    }

    private mutating func backwardReadout(_ v: Span<Float>, _ target: inout MutableSpan<Float>) {
        let (x, xDot, place) = (base.outputs[paths.count], tangents[paths.count], network.readout)
        let (u, uDot, theta) = (residual, outputTangent, parameters)
        do {
            var all = incoming.mutableSpan
            var dx = MutableMatrixView(all.part(0..<x.rows * x.columns), rows: x.rows, columns: x.columns)
            let weight = MatrixView(theta.span.extracting(place.weight), rows: u.rows, columns: x.rows)
            BLAS.gemm(weight, transposeA: true, uDot.view, into: &dx)
            let direction = MatrixView(v.extracting(place.weight), rows: u.rows, columns: x.rows)
            BLAS.gemm(direction, transposeA: true, u.view, beta: 1, into: &dx)
        }
        do {
            var dw = MutableMatrixView(target.part(place.weight), rows: u.rows, columns: x.rows)
            BLAS.gemm(uDot.view, x.view, transposeB: true, into: &dw)
            BLAS.gemm(u.view, xDot.view, transposeB: true, beta: 1, into: &dw)
        }
        var db = target.part(place.bias)
        VectorKernels.rowSums(uDot.view, into: &db)
    }

    /// ġ ← σ′·(∂L/∂x)˙ + σ″·ż·∂L/∂x, in the front of `incoming`.
    private mutating func passActivation(level: Int) {
        let (y, yDot, activation) = (base.outputs[level], tangents[level], network.activations[level])
        let bend = bends[level]
        var all = incoming.mutableSpan
        var g = MutableMatrixView(all.part(0..<y.rows * y.columns), rows: y.rows, columns: y.columns)
        VectorKernels.multiplyByDerivative(of: activation, output: y.view, gradient: &g)
        guard var curved = bend else { return }
        var elements = curved.mutableSpan
        VectorKernels.multiply(&elements, by: yDot.span)
        VectorKernels.add(elements.span, into: &g.elements)
    }

    private mutating func backwardLayer(_ index: Int, _ v: Span<Float>, _ target: inout MutableSpan<Float>) {
        let (x, xDot, g, places) = (base.outputs[index], tangents[index], gradients[index + 1], network.places[index])
        let (path, above, theta) = (paths[index], incoming, parameters)
        let gDot = MatrixView(above.span.extracting(0..<g.rows * g.columns), rows: g.rows, columns: g.columns)
        if let bias = places.bias {
            var db = target.part(bias)
            VectorKernels.rowSums(gDot, into: &db)
        }
        var below = outgoing.mutableSpan
        var dx = MutableMatrixView(below.part(0..<x.rows * x.columns), rows: x.rows, columns: x.columns)
        path.backwardTangent(
            x.view, tangent: xDot.view, gradient: g.view, gradientTangent: gDot, parameters: theta.span, direction: v,
            at: places.path, blockProducts: &target, into: &dx)
    }

    private mutating func backwardEmbedding(_ target: inout MutableSpan<Float>) {
        guard let embedding = network.embedding else { return }
        passActivation(level: 0)
        let (rows, inputs, above) = (tangents[0].rows, inputs, incoming)
        let g = MatrixView(above.span.extracting(0..<rows * inputs.columns), rows: rows, columns: inputs.columns)
        do {
            var dw = MutableMatrixView(target.part(embedding.weight), rows: rows, columns: inputs.rows)
            BLAS.gemm(g, inputs.view, transposeB: true, into: &dw)
        }
        var db = target.part(embedding.bias)
        VectorKernels.rowSums(g, into: &db)
    }
}
