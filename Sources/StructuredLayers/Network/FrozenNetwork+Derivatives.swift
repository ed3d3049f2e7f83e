import LinearAlgebra

/// Derivatives with respect to the input of a map, column by column.
extension FrozenNetwork {
    /// J·v of map `map`: `x, v: [inputs, batch]`, `y: [outputs, batch]` the map's output at x. As many operations as a forward pass.
    public func jvp(of map: Int, at x: Matrix, output y: Matrix, _ v: Matrix) -> Matrix {
        precondition(x.rows == inputs(of: map) && v.rows == x.rows && v.columns == x.columns, "x and v: [inputs, batch]")
        precondition(y.rows == outputs(of: map) && y.columns == x.columns, "y: [outputs, batch]")
        if map == 0 && dense(map) == nil || x.columns == 0 { return v }
        var result = Matrix(rows: y.rows, columns: x.columns)
        var t = result.mutableView
        if let dense = dense(map) {
            let weight = parameters.span.extracting(dense.weight)
            BLAS.gemm(MatrixView(weight, rows: y.rows, columns: x.rows), v.view, into: &t)
            VectorKernels.multiplyByDerivative(of: dense.activation, output: y.view, gradient: &t)
        } else {
            var work = work(map - 1, batch: x.columns)
            network.layers[map - 1].jvp(
                x.view, v.view, output: y.view, parameters.span, network.places[map - 1], &work, into: &t)
        }
        return result
    }

    /// Jᵀ·u of map `map`: `x: [inputs, batch]`, `u: [outputs, batch]`. As many operations as a forward and a backward pass.
    public func vjp(of map: Int, at x: Matrix, _ u: Matrix) -> Matrix {
        precondition(x.rows == inputs(of: map) && u.rows == outputs(of: map) && u.columns == x.columns, "x, u: [units, batch]")
        if map == 0 && dense(map) == nil || x.columns == 0 { return u }
        return dense(map) == nil ? layerVJP(map - 1, x, u) : denseVJP(map, x, u)
    }

    private func denseVJP(_ map: Int, _ x: Matrix, _ u: Matrix) -> Matrix {
        var (g, result) = (u, Matrix(rows: x.rows, columns: x.columns))
        guard let dense = dense(map) else { return u }
        if dense.activation != .none {
            let y = output(of: map, at: x)
            var view = g.mutableView
            VectorKernels.multiplyByDerivative(of: dense.activation, output: y.view, gradient: &view)
        }
        var dx = result.mutableView
        let weight = parameters.span.extracting(dense.weight)
        BLAS.gemm(MatrixView(weight, rows: u.rows, columns: x.rows), transposeA: true, g.view, into: &dx)
        return result
    }

    private func layerVJP(_ index: Int, _ x: Matrix, _ u: Matrix) -> Matrix {
        let (layer, stretch) = (network.layers[index], stretch(of: index))
        let places = network.places[index].moved(by: -stretch.lowerBound)
        var (work, g) = (work(index, batch: x.columns), u)
        var (y, result) = (Matrix(rows: u.rows, columns: u.columns), Matrix(rows: x.rows, columns: x.columns))
        // Backward makes the parameters' gradients beside ∂L/∂x; here nobody wants them, so there is room for this layer's alone.
        var unwanted = AlignedVector(count: stretch.count)
        let own = parameters.span.extracting(stretch)
        do {
            var view = y.mutableView
            layer.forward(x.view, own, places, &work, into: &view)
        }
        var incoming = g.mutableView
        var blockGradients = unwanted.mutableSpan
        var dx = result.mutableView
        layer.backward(
            x.view, output: y.view, gradient: &incoming, own, places, &work, blockGradients: &blockGradients, into: &dx)
        return result
    }

    /// The elements of the flat vector that hold a layer's blocks.
    private func stretch(of layer: Int) -> Range<Int> {
        let ranges = network.layout.blocks.filter { $0.layer == layer + 1 }.map(\.range)
        guard let first = ranges.first, let last = ranges.last else { return 0..<0 }
        return first.lowerBound..<last.upperBound
    }

    /// The Jacobian [outputs, inputs] of map `map` at x [inputs, 1]: as many JVPs as inputs, in one batch.
    public func jacobian(of map: Int, at x: Matrix) -> Matrix {
        let n = inputs(of: map)
        let wide = x.repeated(n)
        return jvp(of: map, at: wide, output: output(of: map, at: x).repeated(n), .identity(n))
    }
}

extension StructuredLayer.Places {
    /// The same blocks where the flat vector begins elsewhere.
    fileprivate func moved(by offset: Int) -> StructuredLayer.Places {
        func moved(_ range: Range<Int>) -> Range<Int> { range.lowerBound + offset..<range.upperBound + offset }
        return StructuredLayer.Places(path: path.map(moved), correction: correction.map(moved), bias: bias.map(moved))
    }
}
