import LinearAlgebra

/// A kind of correction: the trainable branch R of a layer, ℝⁿ → ℝᵐ, without its scale and its caps.
///
/// As with `PathFamily`, a kind is a value that knows its blocks but not their numbers. Its Lipschitz constant has a bound that is a
/// differentiable function of the parameters: the layer's cap multiplies R by min(1, ρ/bound), and the gradient goes through the bound.
public protocol CorrectionKind: Sendable {
    /// Reads the options; whatever is not asked for is refused afterwards.
    init(options: inout OptionReader, context: LayerContext) throws(SpecificationError)

    /// The blocks, in the order in which `at` names them later.
    var blocks: [BlockDeclaration] { get }
    /// Fills block `block` for a new network.
    func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>)
    /// What `derive` fills; its first scalar is the bound on the Lipschitz constant.
    func makeDerived() -> DerivedValues
    /// Works out the bound and what its gradient needs. Not called in training where no cap asks for it.
    func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues)
    /// The size of the terms that R's Jacobian sums, at least the bound: rounding is of this size where they cancel.
    func termSize(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) -> Double
    /// Shapes of the work matrices for a batch.
    func scratchShapes(batch: Int) -> [MatrixShape]

    /// y ← y + factor·R(x).
    func addForward(
        _ x: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView)
    /// From g = ∂L/∂y: writes the gradients of the blocks, dx ← dx + ∂L/∂x, and returns ⟨g, R(x)⟩, the gradient of the factor.
    func addBackward(
        _ x: MatrixView, factor: Float, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        blockGradients: inout MutableSpan<Float>, to dx: inout MutableMatrixView
    ) -> Double
    /// Adds weight·∂bound/∂θ to the gradients of the blocks.
    func addBoundGradient(
        weight: Double, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, blockGradients: inout MutableSpan<Float>)
    /// y ← y + factor·∂R(x)·v.
    func addJVP(
        _ x: MatrixView, _ v: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView)
}

extension CorrectionKind {
    /// The bound: right where it is a product of norms.
    public func termSize(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) -> Double { derived.scalars[0] }
}
