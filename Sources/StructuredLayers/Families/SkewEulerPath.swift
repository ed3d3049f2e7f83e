import LinearAlgebra

/// x ↦ x + h·φ(K·x + b) with K = A − γI, A = S − Sᵀ: a step of Euler's method along ẋ = φ(K·x + b) (Haber and Ruthotto, 2017;
/// Chang et al., 2019).
///
/// A skew-symmetric A makes the flow neutral, but not the step stable: without φ the singular values are √((1 − hγ)² + h²ω²), above 1
/// for γ = 0 wherever ω ≠ 0, and where φ′ differs between units even damping does not bound them by 1. What is proven is
/// [1 − h‖K‖, 1 + h‖K‖]. A bound of 1 in the same place is what `gradient-flow` has.
public struct SkewEulerPath: PathFamily {
    let triangle: SkewTriangle
    /// h.
    let step: Float
    /// γ.
    let damping: Float
    let activation: Activation
    let learningRateMultiplier: Float

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        triangle = try SkewTriangle(context: context, family: "skew-euler")
        step = Float(try options.depthScaled("step", default: "2/sqrt(L)", depth: context.depth))
        damping = Float(try options.number("damping", default: 0.1, expectation: "a number of at least 0") { $0 >= 0 })
        activation = try options.choice("activation", default: Activation.tanh)
        // L updates add up; each is made smaller by √L (Yang et al., 2024, for depth).
        learningRateMultiplier = context.learningRateScaling ? 1 / Float(context.depth).squareRoot() : 1
    }

    public var blocks: [BlockDeclaration] {
        [
            triangle.block(learningRateMultiplier: learningRateMultiplier),
            BlockDeclaration("bias", shape: [triangle.width], learningRateMultiplier: learningRateMultiplier, decays: false),
        ]
    }

    /// N(0, 1/n), so that ‖A‖ is about 2 at any width.
    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        if block == 0 { generator.fillNormal(&values, standardDeviation: 1 / Float(triangle.width).squareRoot()) }
    }

    /// K.
    public func makeDerived() -> DerivedValues { DerivedValues(shapes: [MatrixShape(triangle.width, triangle.width)]) }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        var k = derived.matrices[0].mutableView
        triangle.expand(parameters.extracting(at[0]), diagonal: -damping, into: &k)
    }

    /// a = φ(K·x + b); h·φ′ ⊙ g, or K·v; a panel of the gradient.
    public func scratchShapes(batch: Int) -> [MatrixShape] {
        [MatrixShape(triangle.width, batch), MatrixShape(triangle.width, batch), triangle.panelShape]
    }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        activate(x, parameters, at, derived, &scratch)
        let a = scratch[0]
        VectorKernels.copy(x.elements, into: &y.elements)
        VectorKernels.axpy(step, a.span, into: &y.elements)
    }

    private func activate(
        _ x: MatrixView, _ parameters: Span<Float>, _ at: [Range<Int>], _ derived: DerivedValues, _ scratch: inout [Matrix]
    ) {
        let k = derived.matrices[0]
        var a = scratch[0].mutableView
        BLAS.gemm(k.view, x, into: &a)
        VectorKernels.addBias(parameters.extracting(at[1]), activation: activation, to: &a)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let (k, a) = (derived.matrices[0], scratch[0])
        do {
            var delta = scratch[1].mutableView
            VectorKernels.copy(g.elements, into: &delta.elements)
            VectorKernels.scale(&delta.elements, by: step)
            VectorKernels.multiplyByDerivative(of: activation, output: a.view, gradient: &delta)
        }
        let delta = scratch[1]
        VectorKernels.copy(g.elements, into: &dx.elements)
        BLAS.gemm(k.view, transposeA: true, delta.view, beta: 1, into: &dx)
        do {
            var ds = blockGradients.part(at[0])
            triangle.writeGradient(factor: 1, delta.view, x, panel: &scratch[2], into: &ds)
        }
        var db = blockGradients.part(at[1])
        VectorKernels.rowSums(delta.view, into: &db)
    }

    public func jvp(
        _ x: MatrixView, _ v: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], into y: inout MutableMatrixView
    ) {
        activate(x, parameters, at, derived, &scratch)
        let (k, a) = (derived.matrices[0], scratch[0])
        do {
            var t = scratch[1].mutableView
            BLAS.gemm(k.view, v, into: &t)
            VectorKernels.multiplyByDerivative(of: activation, output: a.view, gradient: &t)
        }
        let t = scratch[1]
        VectorKernels.copy(v.elements, into: &y.elements)
        VectorKernels.axpy(step, t.span, into: &y.elements)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        let (h, gamma, k) = (Double(step), Double(damping), derived.matrices[0])
        let norm = try SpectralBounds.bracket(k.view).upper
        var bounds = SpectralBounds(lower: max(0, 1 - h * norm), upper: 1 + h * norm)
        if activation == .none {
            // K is normal: the Jacobian's singular values are |1 − hγ ± ihω|, and ω² = σ(K)² − γ².
            let omega = max(0, norm * norm - gamma * gamma).squareRoot()
            bounds.lower = max(bounds.lower, abs(1 - h * gamma))
            bounds.upper = ((1 - h * gamma) * (1 - h * gamma) + h * h * omega * omega).squareRoot()
        }
        // Both are sums with terms of this size, however small they come out.
        return bounds.widened(width: triangle.width, scale: 1 + h * norm)
    }
}
