import LinearAlgebra

/// x ↦ P·(W₁ ⊕ … ⊕ W_k)·x: k trained blocks W_b [m/k, n/k], each on units of its own, and P the stride permutation, without which
/// no layer would ever mix what the blocks keep apart. The singular values are those of the blocks. 2mn/k operations an example.
public struct BlockDiagonalPath: PathFamily {
    let product: BlockDiagonalProduct
    let start: BlockDiagonalProduct.Init
    let learningRateScaling: Bool

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        let (inputs, outputs) = (context.inputs, context.outputs)
        let allowed = Divisors.of(inputs).filter { outputs % $0 == 0 }
        let count = try options.integer(
            "blocks", default: allowed.last { $0 * $0 <= min(inputs, outputs) }, among: allowed,
            meaning: "the divisors of \(inputs == outputs ? "the width" : "the inputs and the outputs")")
        product = BlockDiagonalProduct(
            count: count, rows: outputs / count, columns: inputs / count, interleaves: try options.flag("mixing", default: true))
        start = try options.choice("init", default: BlockDiagonalProduct.Init.gaussian)
        learningRateScaling = context.learningRateScaling
    }

    public static var takesRectangular: Bool { true }

    public var blocks: [BlockDeclaration] {
        [product.block("blocks", inputs: product.inputs, cores: 1, learningRateScaling: learningRateScaling)]
    }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        product.initialise(start, generator: generator, into: &values)
    }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        product.apply(parameters.extracting(at[0]), x, into: &y)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        product.gradient(x, gradient: g, into: blockGradients.part(at[0]))
        product.applyTransposed(parameters.extracting(at[0]), g, into: &dx)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        let bounds = try product.spectrum(parameters.extracting(at[0])).bounds
        return bounds.widened(width: product.columns, scale: bounds.upper)
    }

    public func analyticSpectrum(parameters: Span<Float>, at: [Range<Int>]) -> [Double]? {
        try? product.spectrum(parameters.extracting(at[0])).values
    }
}
