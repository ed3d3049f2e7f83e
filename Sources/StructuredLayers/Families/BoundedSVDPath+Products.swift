import LinearAlgebra

extension BoundedSVDPath {
    /// Those of Q_Vᵀ and of Q_U; P·x [n]; diag(s)·Q_Vᵀ·P·x and its gradient [m]; Q_Vᵀ·P·x, later its gradient [n]; the gradient
    /// wrt P·x [n].
    public func scratchShapes(batch: Int) -> [MatrixShape] {
        let (inner, outer) = (MatrixShape(right.width, batch), MatrixShape(left.width, batch))
        return right.scratchShapes(batch: batch) + left.scratchShapes(batch: batch) + [inner, outer, outer, inner, inner]
    }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        do {
            var mixed = scratch[6].mutableView
            mixing.apply(x, into: &mixed)
        }
        let (mixed, s) = (scratch[6], derived.matrices[2])
        // Out of the array for as long as a product writes both them and its own work matrices.
        let spare = scratch.removeLast()
        var turned = scratch.removeLast()
        do {
            var target = turned.mutableView
            right.apply(
                mixed.view, transposed: true, reflectors: parameters.extracting(at[1]), triangle: derived.matrices[1],
                scratch: &scratch, first: 0, into: &target)
        }
        do {
            var stretched = scratch[7].mutableView
            DiagonalProduct.apply(s.span, turned.view, into: &stretched)
        }
        scratch.append(turned)
        scratch.append(spare)
        let stretched = scratch[7]
        left.apply(
            stretched.view, reflectors: parameters.extracting(at[0]), triangle: derived.matrices[0], scratch: &scratch, first: 3,
            into: &y)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let (mixed, stretched, s, slope) = (scratch[6], scratch[7], derived.matrices[2], derived.matrices[3])
        var mixedGradient = scratch.removeLast()
        var turned = scratch.removeLast()
        var stretchedGradient = scratch.removeLast()
        do {
            var target = stretchedGradient.mutableView
            left.backward(
                stretched.view, gradient: g, reflectors: parameters.extracting(at[0]), triangle: derived.matrices[0],
                scratch: &scratch, first: 3, reflectorGradient: blockGradients.part(at[0]), into: &target)
        }
        do {
            var dp = blockGradients.part(at[2])
            DiagonalProduct.gradient(turned.view, gradient: stretchedGradient.view, into: &dp)
            VectorKernels.multiply(&dp, by: slope.span)
        }
        do {
            var turnedGradient = turned.mutableView
            DiagonalProduct.apply(s.span, stretchedGradient.view, into: &turnedGradient)
        }
        do {
            var target = mixedGradient.mutableView
            right.backward(
                mixed.view, gradient: turned.view, transposed: true, reflectors: parameters.extracting(at[1]),
                triangle: derived.matrices[1], scratch: &scratch, first: 0, reflectorGradient: blockGradients.part(at[1]),
                into: &target)
        }
        mixing.applyTransposed(mixedGradient.view, into: &dx)
        scratch.append(stretchedGradient)
        scratch.append(turned)
        scratch.append(mixedGradient)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        if !VectorKernels.allFinite(parameters.extracting(at[2])) { throw .notFinite(routine: "bounded-svd") }
        let (outer, inner) = (try left.slack(triangle: derived.matrices[0]), try right.slack(triangle: derived.matrices[1]))
        return SpectralBounds(
            lower: sigmaMin * max(0, 1 - outer) * max(0, 1 - inner), upper: sigmaMax * (1 + outer) * (1 + inner)
        ).widened(width: max(left.width, right.width), scale: sigmaMax)
    }

    /// s.
    public func analyticSpectrum(parameters: Span<Float>, at: [Range<Int>]) -> [Double]? {
        var derived = makeDerived()
        squash(parameters.extracting(at[2]), into: &derived)
        let s = derived.matrices[2]
        return s.span.indices.map { Double(s.span[$0]) }.sorted(by: >)
    }
}
