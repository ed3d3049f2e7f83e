import LinearAlgebra

/// R(x) = s(gᵀx)·U·tanh(Vᵀx), s the logistic function: r units between U [m, r] and Vᵀ [r, n] behind one gate g [n]; begins at zero.
///
/// J = s·U·D·Vᵀ + s′·U·h·gᵀ with 0 < s < 1, |s′| ≤ ¼, |D| ≤ 1 and ‖h‖ ≤ √r, so Lip(R) ≤ ‖U‖₂·(‖V‖₂ + ¼‖g‖·√r). Without the tanh
/// h would grow with x, and no bound would hold everywhere.
public struct GatedLowRankCorrection: CorrectionKind {
    let inputs: Int
    let outputs: Int
    let rank: Int
    let learningRateScaling: Bool

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        (inputs, outputs, learningRateScaling) = (context.inputs, context.outputs, context.learningRateScaling)
        rank = try options.rank(context)
        let expectation = "tanh: a gate times an unbounded activation has no global Lipschitz bound"
        let activation = try options.value("activation", default: "tanh", expectation: expectation)
        guard activation == "tanh" else { throw options.refusal(of: "activation", activation, expectation: expectation) }
    }

    public var blocks: [BlockDeclaration] {
        let (up, down) = learningRateScaling ? (Float(inputs) / Float(2 * rank), Float(0.5)) : (1, 1)
        return [
            BlockDeclaration("up", shape: [outputs, rank], learningRateMultiplier: up),
            BlockDeclaration("down", shape: [rank, inputs], learningRateMultiplier: down),
            BlockDeclaration("gate", shape: [inputs], decays: false),
        ]
    }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        if block == 1 { generator.fillNormal(&values, standardDeviation: 1 / Float(inputs).squareRoot()) }
    }

    /// Scalars: the bound, ‖U‖₂, ‖V‖₂, ‖g‖. Matrices, rows of r: the top right singular vector of U and left of Vᵀ.
    public func makeDerived() -> DerivedValues { DerivedValues(shapes: [MatrixShape(1, rank), MatrixShape(1, rank)], scalars: 4) }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        let up = TopSingularVector.measure(
            MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank), side: .columns, into: &derived.matrices[0])
        let down = TopSingularVector.measure(
            MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs), side: .rows, into: &derived.matrices[1])
        let gate = VectorKernels.sumOfSquares(parameters.extracting(at[2])).squareRoot()
        derived.scalars[0] = up * (down + 0.25 * gate * Double(rank).squareRoot())
        (derived.scalars[1], derived.scalars[2], derived.scalars[3]) = (up, down, gate)
    }

    /// H = tanh(Vᵀx); P, the gradient before tanh; s(gᵀx); the gradient before s.
    public func scratchShapes(batch: Int) -> [MatrixShape] {
        [MatrixShape(rank, batch), MatrixShape(rank, batch), MatrixShape(1, batch), MatrixShape(1, batch)]
    }

    /// H and s of a batch.
    private func activate(_ x: MatrixView, _ parameters: Span<Float>, _ at: [Range<Int>], _ scratch: inout [Matrix]) {
        do {
            var h = scratch[0].mutableView
            BLAS.gemm(MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs), x, into: &h)
            VectorKernels.tanh(&h.elements)
        }
        do {
            var t = scratch[2].mutableView
            BLAS.gemm(MatrixView(parameters.extracting(at[2]), rows: 1, columns: inputs), x, into: &t)
            // s(t) = ½ + ½·tanh(t/2).
            VectorKernels.scale(&t.elements, by: 0.5)
            VectorKernels.tanh(&t.elements)
            for b in 0..<t.columns { t.elements[b] = 0.5 + 0.5 * t.elements[b] }
        }
    }

    /// m ← m with each column b times s_b.
    private static func gate(_ m: inout MutableMatrixView, by s: Span<Float>) {
        let batch = m.columns
        for row in 0..<m.rows {
            var part = m.elements.part(row * batch..<(row + 1) * batch)
            VectorKernels.multiply(&part, by: s)
        }
    }

    public func addForward(
        _ x: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        activate(x, parameters, at, &scratch)
        let (h, s) = (scratch[0], scratch[2])
        var gated = scratch[1].mutableView
        VectorKernels.copy(h.span, into: &gated.elements)
        Self.gate(&gated, by: s.span)
        BLAS.gemm(
            MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank), gated.view, alpha: factor, beta: 1, into: &y)
    }

    public func addBackward(
        _ x: MatrixView, factor: Float, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        blockGradients: inout MutableSpan<Float>, to dx: inout MutableMatrixView
    ) -> Double {
        let (h, s) = (scratch[0], scratch[2])
        // scratch[1] still holds s·H.
        do {
            let gated = scratch[1]
            var du = MutableMatrixView(blockGradients.part(at[0]), rows: outputs, columns: rank)
            BLAS.gemm(g, gated.view, transposeB: true, alpha: factor, into: &du)
        }
        do {
            var p = scratch[1].mutableView
            BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank), transposeA: true, g, into: &p)
        }
        let alignment = backThroughGate(h, s, factor, &scratch)
        do {
            var p = scratch[1].mutableView
            Self.gate(&p, by: s.span)
            VectorKernels.multiplyByDerivative(of: .tanh, output: h.view, gradient: &p)
            VectorKernels.scale(&p.elements, by: factor)
        }
        let (p, dt) = (scratch[1], scratch[3])
        do {
            var dv = MutableMatrixView(blockGradients.part(at[1]), rows: rank, columns: inputs)
            BLAS.gemm(p.view, x, transposeB: true, into: &dv)
        }
        do {
            var dg = MutableMatrixView(blockGradients.part(at[2]), rows: 1, columns: inputs)
            BLAS.gemm(dt.view, x, transposeB: true, into: &dg)
        }
        BLAS.gemm(
            MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs), transposeA: true, p.view, beta: 1, into: &dx)
        BLAS.gemm(MatrixView(parameters.extracting(at[2]), rows: 1, columns: inputs), transposeA: true, dt.view, beta: 1, into: &dx)
        return alignment
    }

    /// From P = Uᵀg in scratch[1]: scratch[3] ← factor·Σ_k P·H·s(1 − s), the gradient before s; returns ⟨g, R(x)⟩ = Σ_b s·Σ_k P·H.
    private func backThroughGate(_ h: Matrix, _ s: Matrix, _ factor: Float, _ scratch: inout [Matrix]) -> Double {
        let (p, batch) = (scratch[1], h.columns)
        let (pSpan, hSpan, sSpan) = (p.span, h.span, s.span)
        var dt = scratch[3].mutableSpan
        var alignment = 0.0
        for b in 0..<batch {
            var sum = 0.0
            for k in 0..<rank { sum += Double(pSpan[k * batch + b]) * Double(hSpan[k * batch + b]) }
            alignment += sum * Double(sSpan[b])
            dt[b] = factor * Float(sum) * (sSpan[b] * (1 - sSpan[b]))
        }
        return alignment
    }

    public func addBoundGradient(
        weight: Double, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, blockGradients: inout MutableSpan<Float>
    ) {
        let (bound, up, down, gate) = (derived.scalars[0], derived.scalars[1], derived.scalars[2], derived.scalars[3])
        guard up > 0 else { return }
        do {
            var du = blockGradients.part(at[0])
            TopSingularVector.addGradient(
                weight: weight * bound / up, norm: up, side: .columns, vector: derived.matrices[0],
                of: MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank), to: &du)
        }
        do {
            var dv = blockGradients.part(at[1])
            TopSingularVector.addGradient(
                weight: weight * up, norm: down, side: .rows, vector: derived.matrices[1],
                of: MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs), to: &dv)
        }
        // The norm has no gradient at zero; there the gate stays as it is.
        guard gate > 0 else { return }
        var dg = blockGradients.part(at[2])
        VectorKernels.axpy(
            Float(weight * up * 0.25 * Double(rank).squareRoot() / gate), parameters.extracting(at[2]), into: &dg)
    }

    public func addJVP(
        _ x: MatrixView, _ v: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        activate(x, parameters, at, &scratch)
        let (h, s) = (scratch[0], scratch[2])
        do {
            var dt = scratch[3].mutableView
            BLAS.gemm(MatrixView(parameters.extracting(at[2]), rows: 1, columns: inputs), v, into: &dt)
            for b in 0..<dt.columns { dt.elements[b] *= s.span[b] * (1 - s.span[b]) }
        }
        let dt = scratch[3]
        var t = scratch[1].mutableView
        BLAS.gemm(MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs), v, into: &t)
        VectorKernels.multiplyByDerivative(of: .tanh, output: h.view, gradient: &t)
        Self.gate(&t, by: s.span)
        // + H·s′: one column of H each times the change of its gate.
        for row in 0..<rank {
            for b in 0..<t.columns { t.elements[row * t.columns + b] += h[row, b] * dt.span[b] }
        }
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank), t.view, alpha: factor, beta: 1, into: &y)
    }
}
