import LinearAlgebra

/// x ↦ (diag(d) + U·Vᵀ)·P·x with d [n], U [n, r] and Vᵀ [r, n] trained, and P a fixed signed permutation; r = 0 leaves a diagonal.
///
/// All singular values lie within ‖U·Vᵀ‖ of [min|d|, max|d|] (Weyl), and all but 2r within that interval itself. n + 4rn
/// operations an example. It begins as P: d = 1, U = 0.
public struct DiagonalLowRankPath: PathFamily {
    let width: Int
    let rank: Int
    let mixing: FixedMixing
    let learningRateScaling: Bool

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        width = try context.squareWidth(of: "diagonal-low-rank")
        rank = try options.integer("rank", default: max(1, width / 16), in: 0...width, meaning: "the width")
        mixing = try FixedMixing(options: &options, family: "diagonal-low-rank", width: width, context: context)
        learningRateScaling = context.learningRateScaling
    }

    public var blocks: [BlockDeclaration] {
        // ‖Δdiag(d)‖ is one step where a dense update may reach n of them; two factors of rank r share their half each.
        let (n, r) = (Float(width), Float(rank))
        let (diagonal, up, down): (Float, Float, Float) = learningRateScaling ? (n, n / (2 * r), 0.5) : (1, 1, 1)
        let d = BlockDeclaration("diagonal", shape: [width], learningRateMultiplier: diagonal, decays: false)
        if rank == 0 { return [d] }
        return [
            d, BlockDeclaration("up", shape: [width, rank], learningRateMultiplier: up),
            BlockDeclaration("down", shape: [rank, width], learningRateMultiplier: down),
        ]
    }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        switch block {
        case 0: VectorKernels.fill(&values, with: 1)
        case 2: generator.fillNormal(&values, standardDeviation: 1 / Float(width).squareRoot())
        default: break
        }
    }

    /// P·x and its gradient [n, batch]; Vᵀ·P·x and Uᵀ·g [r, batch].
    public func scratchShapes(batch: Int) -> [MatrixShape] {
        [MatrixShape(width, batch), MatrixShape(width, batch), MatrixShape(rank, batch), MatrixShape(rank, batch)]
    }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        do {
            var mixed = scratch[0].mutableView
            mixing.apply(x, into: &mixed)
        }
        let mixed = scratch[0]
        DiagonalProduct.apply(parameters.extracting(at[0]), mixed.view, into: &y)
        if rank == 0 { return }
        do {
            var t = scratch[2].mutableView
            BLAS.gemm(MatrixView(parameters.extracting(at[2]), rows: rank, columns: width), mixed.view, into: &t)
        }
        let t = scratch[2]
        BLAS.gemm(MatrixView(parameters.extracting(at[1]), rows: width, columns: rank), t.view, beta: 1, into: &y)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let mixed = scratch[0]
        do {
            var dd = blockGradients.part(at[0])
            DiagonalProduct.gradient(mixed.view, gradient: g, into: &dd)
        }
        do {
            var mixedGradient = scratch[1].mutableView
            DiagonalProduct.apply(parameters.extracting(at[0]), g, into: &mixedGradient)
        }
        if rank > 0 { backwardLowRank(mixed, g, parameters, at, &scratch, &blockGradients) }
        let mixedGradient = scratch[1]
        mixing.applyTransposed(mixedGradient.view, into: &dx)
    }

    /// dU = g·tᵀ with t = Vᵀ·P·x, dVᵀ = p·(P·x)ᵀ with p = Uᵀ·g, and V·p added to the gradient wrt P·x.
    private func backwardLowRank(
        _ mixed: Matrix, _ g: MatrixView, _ parameters: Span<Float>, _ at: [Range<Int>], _ scratch: inout [Matrix],
        _ blockGradients: inout MutableSpan<Float>
    ) {
        let t = scratch[2]
        do {
            var p = scratch[3].mutableView
            BLAS.gemm(MatrixView(parameters.extracting(at[1]), rows: width, columns: rank), transposeA: true, g, into: &p)
        }
        let p = scratch[3]
        do {
            var du = MutableMatrixView(blockGradients.part(at[1]), rows: width, columns: rank)
            BLAS.gemm(g, t.view, transposeB: true, into: &du)
        }
        do {
            var dv = MutableMatrixView(blockGradients.part(at[2]), rows: rank, columns: width)
            BLAS.gemm(p.view, mixed.view, transposeB: true, into: &dv)
        }
        let down = MatrixView(parameters.extracting(at[2]), rows: rank, columns: width)
        var mixedGradient = scratch[1].mutableView
        BLAS.gemm(down, transposeA: true, p.view, beta: 1, into: &mixedGradient)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        let d = parameters.extracting(at[0])
        let largest = VectorKernels.maximumMagnitude(d)
        if !largest.isFinite { throw .notFinite(routine: "diagonal-low-rank") }
        var smallest = largest
        for index in d.indices { smallest = min(smallest, abs(d[index])) }
        var (norm, scale) = (0.0, Double(largest))
        if rank > 0 {
            let up = MatrixView(parameters.extracting(at[1]), rows: width, columns: rank)
            let down = MatrixView(parameters.extracting(at[2]), rows: rank, columns: width)
            norm = try LowRankNorm.upperBound(up: up, down: down)
            // Rounding is of the size of the factors, which may cancel in their product.
            scale += try FactorSpectrum(up).bounds.upper * FactorSpectrum(down).bounds.upper
        }
        return SpectralBounds(lower: max(0, Double(smallest) - norm), upper: Double(largest) + norm)
            .widened(width: width, scale: scale)
    }

    /// |d| alone is closed form.
    public func analyticSpectrum(parameters: Span<Float>, at: [Range<Int>]) -> [Double]? {
        if rank > 0 { return nil }
        let d = parameters.extracting(at[0])
        return d.indices.map { Double(abs(d[$0])) }.sorted(by: >)
    }
}
