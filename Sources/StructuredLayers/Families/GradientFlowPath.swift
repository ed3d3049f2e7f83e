import LinearAlgebra

/// x ↦ x − h·Wᵀ·φ(W·x + b) with h = c/‖W‖², 0 < c ≤ 2, φ monotone and 1-Lipschitz: a step down a convex potential, which never
/// moves two points apart (the convex potential layer of Meunier et al., 2022).
///
/// The Jacobian I − h·Wᵀ·diag(φ′)·W is symmetric with eigenvalues in [1 − c, 1]: its singular values are at most 1, and at least 1 − c
/// for c < 1. ‖W‖ is `WarmSingularPair`'s σ, a lower bound; the certificate is written with a true upper bound s instead,
/// c′ = c·(s/σ)²: [max(0, 1 − c′), max(1, c′ − 1)]. W is [m, n]; 4nm operations an example.
public struct GradientFlowPath: PathFamily {
    let width: Int
    let pair: WarmSingularPair
    /// c.
    let step: Double
    let activation: Activation

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        width = try context.squareWidth(of: "gradient-flow")
        let hidden = try options.integer("hidden", default: width, in: 1...8 * width, meaning: "eight times the width")
        pair = WarmSingularPair(rows: hidden, columns: width)
        step = try options.depthScaled("step", default: 1, depth: context.depth, limit: 2)
        activation = try options.choice("activation", default: Activation.relu)
    }

    public var blocks: [BlockDeclaration] {
        [
            BlockDeclaration("weight", shape: [pair.rows, width]), BlockDeclaration("bias", shape: [pair.rows], decays: false),
            pair.block,
        ]
    }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        switch block {
        case 0: generator.fillNormal(&values, standardDeviation: 1 / Float(width).squareRoot())
        case 2: pair.initialise(generator: generator, into: &values)
        default: break
        }
    }

    public func settleState(at: [Range<Int>], in parameters: inout MutableSpan<Float>) {
        pair.settle(weight: at[0], state: at[2], in: &parameters)
    }

    public func makeDerived() -> DerivedValues { pair.makeDerived() }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        pair.derive(parameters, weight: at[0], state: at[2], into: &derived)
    }

    /// a = φ(W·x + b); W·g, then φ′ ⊙ W·g.
    public func scratchShapes(batch: Int) -> [MatrixShape] { [MatrixShape(pair.rows, batch), MatrixShape(pair.rows, batch)] }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        activate(x, parameters, at, &scratch)
        let (w, a) = (MatrixView(parameters.extracting(at[0]), rows: pair.rows, columns: width), scratch[0])
        VectorKernels.copy(x.elements, into: &y.elements)
        BLAS.gemm(w, transposeA: true, a.view, alpha: -rate(derived), beta: 1, into: &y)
    }

    private func activate(_ x: MatrixView, _ parameters: Span<Float>, _ at: [Range<Int>], _ scratch: inout [Matrix]) {
        var a = scratch[0].mutableView
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: pair.rows, columns: width), x, into: &a)
        VectorKernels.addBias(parameters.extracting(at[1]), activation: activation, to: &a)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let (w, rate, a) = (MatrixView(parameters.extracting(at[0]), rows: pair.rows, columns: width), rate(derived), scratch[0])
        var alignment = 0.0
        do {
            var delta = scratch[1].mutableView
            BLAS.gemm(w, g, into: &delta)
            alignment = VectorKernels.dot(delta.view.elements, a.span)
            VectorKernels.multiplyByDerivative(of: activation, output: a.view, gradient: &delta)
        }
        let delta = scratch[1]
        VectorKernels.copy(g.elements, into: &dx.elements)
        BLAS.gemm(w, transposeA: true, delta.view, alpha: -rate, beta: 1, into: &dx)
        do {
            // ∂L/∂W = −h·(a·gᵀ + Δ·xᵀ) + (2h/σ)·⟨g, Wᵀ·a⟩·u·vᵀ with Δ = φ′ ⊙ W·g; the last term is that of ‖W‖ in h.
            var dw = MutableMatrixView(blockGradients.part(at[0]), rows: pair.rows, columns: width)
            pair.writeGradient(weight: 2 * Double(rate) * alignment / derived.scalars[0], derived, into: &dw)
            BLAS.gemm(a.view, g, transposeB: true, alpha: -rate, beta: 1, into: &dw)
            BLAS.gemm(delta.view, x, transposeB: true, alpha: -rate, beta: 1, into: &dw)
        }
        do {
            var db = blockGradients.part(at[1])
            VectorKernels.rowSums(delta.view, into: &db)
            VectorKernels.scale(&db, by: -rate)
        }
        pair.writeNext(derived, into: blockGradients.part(at[2]))
    }

    public func jvp(
        _ x: MatrixView, _ v: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], into y: inout MutableMatrixView
    ) {
        activate(x, parameters, at, &scratch)
        let (w, a) = (MatrixView(parameters.extracting(at[0]), rows: pair.rows, columns: width), scratch[0])
        do {
            var t = scratch[1].mutableView
            BLAS.gemm(w, v, into: &t)
            VectorKernels.multiplyByDerivative(of: activation, output: a.view, gradient: &t)
        }
        let t = scratch[1]
        VectorKernels.copy(v.elements, into: &y.elements)
        BLAS.gemm(w, transposeA: true, t.view, alpha: -rate(derived), beta: 1, into: &y)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        let norm = try SpectralBounds.bracket(MatrixView(parameters.extracting(at[0]), rows: pair.rows, columns: width)).upper
        let reach = Double(rate(derived)) * norm * norm
        // W = 0 has no direction to step along: what is not a number must not pass through `max` as a bound.
        if reach.isNaN { throw .notFinite(routine: "gradient-flow") }
        return SpectralBounds(lower: max(0, 1 - reach), upper: max(1, reach - 1))
            .widened(width: max(width, pair.rows), scale: 1 + reach)
    }

    /// h.
    private func rate(_ derived: DerivedValues) -> Float { Float(step / (derived.scalars[0] * derived.scalars[0])) }
}
