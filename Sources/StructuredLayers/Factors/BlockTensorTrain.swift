import LinearAlgebra

/// A block tensor train of two cores (Qiu et al., 2024): y[α, β] = Σ_γρ L_β[α, ργ]·Σ_δ R_γ[βρ, δ]·x[γ, δ].
///
/// γ numbers the k blocks R_γ [ℓr, n/k] of the first core, β the ℓ blocks L_β [m/ℓ, rk] of the second, ρ the rank r. Both
/// permutations, of the hidden units [β, ρ, γ] and of the outputs, are layouts in which the products write. 2r(ℓn + km)
/// operations an example.
public struct BlockTensorTrain: Sendable {
    /// R and L.
    let first: BlockDiagonalProduct
    let second: BlockDiagonalProduct
    let start: BlockDiagonalProduct.Init
    let learningRateScaling: Bool

    /// Reads the option `init`. `inputBlocks` k divides the inputs n, `outputBlocks` ℓ the outputs m.
    init(
        inputBlocks: Int, outputBlocks: Int, rank: Int, options: inout OptionReader, context: LayerContext
    ) throws(SpecificationError) {
        first = BlockDiagonalProduct(
            count: inputBlocks, rows: outputBlocks * rank, columns: context.inputs / inputBlocks, interleaves: true)
        second = BlockDiagonalProduct(
            count: outputBlocks, rows: context.outputs / outputBlocks, columns: inputBlocks * rank, interleaves: true)
        start = try options.choice("init", default: BlockDiagonalProduct.Init.gaussian)
        learningRateScaling = context.learningRateScaling
        if start == .orthogonal, !keepsLowerBounds {
            throw options.refusal(
                of: "init", .text(start.rawValue),
                expectation:
                    "gaussian, as the map goes through \(first.outputs) units: orthogonal cores make an orthogonal map only if "
                    + "both widen or both narrow")
        }
    }

    /// Whether σ_min of the map is at least the product of the cores': both are tall or square, or both wide or square. (A tall
    /// core before a wide one may map into what that one annihilates.)
    var keepsLowerBounds: Bool {
        (first.rows >= first.columns && second.rows >= second.columns)
            || (first.rows <= first.columns && second.rows <= second.columns)
    }

    var blocks: [BlockDeclaration] {
        [
            first.block("first", inputs: first.inputs, cores: 2, learningRateScaling: learningRateScaling),
            second.block("second", inputs: first.inputs, cores: 2, learningRateScaling: learningRateScaling),
        ]
    }

    func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        (block == 0 ? first : second).initialise(start, generator: generator, into: &values)
    }

    /// The hidden units and their gradient.
    func scratchShapes(batch: Int) -> [MatrixShape] {
        [MatrixShape(first.outputs, batch), MatrixShape(first.outputs, batch)]
    }

    func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix], into y: inout MutableMatrixView
    ) {
        do {
            var hidden = scratch[0].mutableView
            first.apply(parameters.extracting(at[0]), x, into: &hidden)
        }
        let hidden = scratch[0]
        second.apply(parameters.extracting(at[1]), hidden.view, into: &y)
    }

    func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let hidden = scratch[0]
        second.gradient(hidden.view, gradient: g, into: blockGradients.part(at[1]))
        do {
            var hiddenGradient = scratch[1].mutableView
            second.applyTransposed(parameters.extracting(at[1]), g, into: &hiddenGradient)
        }
        let hiddenGradient = scratch[1]
        first.gradient(x, gradient: hiddenGradient.view, into: blockGradients.part(at[0]))
        first.applyTransposed(parameters.extracting(at[0]), hiddenGradient.view, into: &dx)
    }

    /// The products of the cores' bounds.
    func certificate(parameters: Span<Float>, at: [Range<Int>]) throws(LAPACKError) -> SpectralBounds {
        let left = try second.spectrum(parameters.extracting(at[1])).bounds
        let right = try first.spectrum(parameters.extracting(at[0])).bounds
        let upper = left.upper * right.upper
        return SpectralBounds(lower: keepsLowerBounds ? left.lower * right.lower : 0, upper: upper)
            .widened(width: first.columns + second.columns, scale: upper)
    }
}
