import LinearAlgebra

/// The projection of each example onto a ball, and the scale a unit.
extension LayerCorrection {
    /// output ← output·min(1, ρ′/‖output‖) example by example; `norms` ← ‖output‖ before that.
    static func project(_ output: inout Matrix, _ norms: inout [Double], budget: Double) {
        let (rows, batch) = (output.rows, output.columns)
        do {
            let view = output.view
            var squares = norms.mutableSpan
            VectorKernels.columnSumsOfSquares(view, into: &squares)
            for b in 0..<batch { squares[b] = squares[b].squareRoot() }
        }
        var elements = output.mutableSpan
        for row in 0..<rows {
            for b in 0..<batch where norms[b] > budget {
                elements[row * batch + b] = Float(Double(elements[row * batch + b]) * (budget / norms[b]))
            }
        }
    }

    /// t ← the projection's derivative times t, which is symmetric: with c the clipped output of an active example,
    /// (ρ′/‖r‖)·(t − ⟨t, c⟩·c/ρ′²). `sums` is room for ⟨t, c⟩.
    static func projectTangent(_ t: inout Matrix, output: Matrix, norms: [Double], _ sums: inout [Double], budget: Double) {
        let (rows, batch, c) = (output.rows, output.columns, output.span)
        var elements = t.mutableSpan
        for b in 0..<batch { sums[b] = 0 }
        for row in 0..<rows {
            for b in 0..<batch { sums[b] += Double(elements[row * batch + b]) * Double(c[row * batch + b]) }
        }
        for row in 0..<rows {
            for b in 0..<batch where norms[b] > budget {
                let place = row * batch + b
                let tangent = Double(elements[place]) - sums[b] / (budget * budget) * Double(c[place])
                elements[place] = Float(tangent * budget / norms[b])
            }
        }
    }

    /// y ← y + scale·values.
    func addScaled(_ values: Matrix, _ parameters: Span<Float>, _ at: [Range<Int>], to y: inout MutableMatrixView) {
        let batch = values.columns
        switch scale {
        case .fixed(let factor): VectorKernels.axpy(factor, values.span, into: &y.elements)
        case .rezero: VectorKernels.axpy(parameters[scalePlace(at).lowerBound], values.span, into: &y.elements)
        case .layerscale:
            for row in 0..<values.rows {
                let range = row * batch..<(row + 1) * batch
                var target = y.elements.part(range)
                VectorKernels.axpy(
                    parameters[scalePlace(at).lowerBound + row], values.span.extracting(range), into: &target)
            }
        }
    }

    /// gradient ← scale·g, and the gradient of the scale: ⟨g, output⟩, by unit for LayerScale.
    func backThroughScale(
        _ g: MatrixView, _ parameters: Span<Float>, _ at: [Range<Int>], _ work: inout Work,
        _ blockGradients: inout MutableSpan<Float>
    ) {
        let (batch, output) = (work.output.columns, work.output)
        var t = work.gradient.mutableSpan
        VectorKernels.copy(g.elements, into: &t)
        switch scale {
        case .fixed(let factor): VectorKernels.scale(&t, by: factor)
        case .rezero:
            let place = scalePlace(at).lowerBound
            blockGradients[place] = Float(VectorKernels.dot(g.elements, output.span))
            VectorKernels.scale(&t, by: parameters[place])
        case .layerscale:
            for row in 0..<output.rows {
                let (range, place) = (row * batch..<(row + 1) * batch, scalePlace(at).lowerBound + row)
                blockGradients[place] = Float(VectorKernels.dot(g.elements.extracting(range), output.span.extracting(range)))
                var part = t.part(range)
                VectorKernels.scale(&part, by: parameters[place])
            }
        }
    }
}
