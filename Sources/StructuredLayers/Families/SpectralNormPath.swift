import LinearAlgebra

/// x ↦ Ŵ·x with Ŵ = c·W/σ₁(W), or W·min(1, c/σ₁(W)), for a free matrix W [outputs, inputs] (Miyato et al., 2018).
///
/// σ₁ is bracketed, not certified, while training: `WarmSingularPair` holds a lower bound of it, so ‖Ŵ‖ overshoots c a little. The
/// certificate is that of the map as it is, by its true singular values. Ŵ is never formed: its factor goes into the products.
/// With `hard` the scale of W has no effect, and growing it only slows W down; weight decay keeps it.
public struct SpectralNormPath: PathFamily {
    /// When W is rescaled.
    public enum Mode: String, CaseIterable, Sendable {
        /// Always: ‖Ŵ‖ = c.
        case hard
        /// Where its norm is above c.
        case cap
    }

    let pair: WarmSingularPair
    let mode: Mode
    let bound: Double
    let start: DensePath.Init

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        pair = WarmSingularPair(rows: context.outputs, columns: context.inputs)
        mode = try options.choice("mode", default: Mode.hard)
        bound = try options.number("bound", default: 1, expectation: "a number above 0") { $0 > 0 }
        start = try options.choice("init", default: DensePath.Init.xavier)
    }

    public static var takesRectangular: Bool { true }

    public var blocks: [BlockDeclaration] { [BlockDeclaration("weight", shape: [pair.rows, pair.columns]), pair.block] }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        if block == 0 {
            start.fill(&values, rows: pair.rows, columns: pair.columns, generator: generator)
        } else {
            pair.initialise(generator: generator, into: &values)
        }
    }

    public func settleState(at: [Range<Int>], in parameters: inout MutableSpan<Float>) {
        pair.settle(weight: at[0], state: at[1], in: &parameters)
    }

    public func makeDerived() -> DerivedValues { pair.makeDerived() }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        pair.derive(parameters, weight: at[0], state: at[1], into: &derived)
    }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        let w = MatrixView(parameters.extracting(at[0]), rows: pair.rows, columns: pair.columns)
        BLAS.gemm(w, x, alpha: factor(derived), into: &y)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let (w, factor) = (MatrixView(parameters.extracting(at[0]), rows: pair.rows, columns: pair.columns), factor(derived))
        BLAS.gemm(w, transposeA: true, g, alpha: factor, into: &dx)
        do {
            var dw = MutableMatrixView(blockGradients.part(at[0]), rows: pair.rows, columns: pair.columns)
            if rescales(derived) {
                // ∂L/∂W = (c/σ)·(Ĝ − (⟨Ĝ, Ŵ⟩/c)·u·vᵀ) with Ĝ = g·xᵀ, and ⟨Ĝ, Ŵ⟩ = ⟨x, Ŵᵀ·g⟩.
                let alignment = VectorKernels.dot(x.elements, dx.elements.span)
                pair.writeGradient(weight: -alignment / derived.scalars[0], derived, into: &dw)
                BLAS.gemm(g, x, transposeB: true, alpha: factor, beta: 1, into: &dw)
            } else {
                BLAS.gemm(g, x, transposeB: true, into: &dw)
            }
        }
        pair.writeNext(derived, into: blockGradients.part(at[1]))
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        let w = MatrixView(parameters.extracting(at[0]), rows: pair.rows, columns: pair.columns)
        let (bounds, factor) = (try SpectralBounds.bracket(w), Double(factor(derived)))
        if !factor.isFinite { throw .notFinite(routine: "spectral-norm") }
        return SpectralBounds(lower: factor * bounds.lower, upper: factor * bounds.upper)
            .widened(width: max(pair.rows, pair.columns))
    }

    /// Whether Ŵ is not W. So when σ is not a number, too: a diverged run must not look healthy.
    private func rescales(_ derived: DerivedValues) -> Bool { mode == .hard || !(derived.scalars[0] <= bound) }

    private func factor(_ derived: DerivedValues) -> Float { rescales(derived) ? Float(bound / derived.scalars[0]) : 1 }
}
