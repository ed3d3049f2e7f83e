import LinearAlgebra

/// x ↦ (A ⊗ B)·x with trained factors A [p, p′] and B [q, q′] for m = pq outputs and n = p′q′ inputs.
///
/// With x and y as grids, X [p′, q′] and Y [p, q] row after row, Y = A·X·Bᵀ: 2pq′(p′ + q) operations an example. The singular
/// values are the products σᵢ(A)·σⱼ(B), so orthogonal factors make an orthogonal map, and every spectrum is had from the factors'
/// (Van Loan, 2000).
public struct KroneckerPath: PathFamily {
    /// [p, p′] and [q, q′].
    let a: MatrixShape
    let b: MatrixShape
    let learningRateScaling: Bool

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        let (inputs, outputs) = (context.inputs, context.outputs)
        let rows = try options.integer(
            "rows", default: Divisors.balanced(outputs), among: Divisors.of(outputs),
            meaning: "the divisors of the \(outputs) outputs")
        let columns = try options.integer(
            "columns", default: inputs == outputs ? rows : Divisors.balanced(inputs), among: Divisors.of(inputs),
            meaning: "the divisors of the \(inputs) inputs")
        a = MatrixShape(rows, columns)
        b = MatrixShape(outputs / rows, inputs / columns)
        learningRateScaling = context.learningRateScaling
    }

    public static var takesRectangular: Bool { true }

    public var blocks: [BlockDeclaration] {
        // Each of two cores may change the map by as much as half a dense update: n/d_in/2 (Qiu et al., 2024).
        let (left, right) = learningRateScaling ? (Float(b.columns) / 2, Float(a.columns) / 2) : (1, 1)
        return [
            BlockDeclaration("left", shape: [a.rows, a.columns], learningRateMultiplier: left),
            BlockDeclaration("right", shape: [b.rows, b.columns], learningRateMultiplier: right),
        ]
    }

    /// Both with orthonormal rows or columns.
    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        let shape = block == 0 ? a : b
        generator.fillNormal(&values, standardDeviation: 1)
        RandomOrthogonal.orthogonalise(&values, rows: shape.rows, columns: shape.columns)
    }

    /// A·X for every example, and its gradient: [p, q′, batch].
    public func scratchShapes(batch: Int) -> [MatrixShape] {
        [MatrixShape(a.rows, b.columns * batch), MatrixShape(a.rows, b.columns * batch)]
    }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        let batch = x.columns
        do {
            var t = scratch[0].mutableView
            BLAS.gemm(
                MatrixView(parameters.extracting(at[0]), rows: a.rows, columns: a.columns),
                MatrixView(x.elements, rows: a.columns, columns: b.columns * batch), into: &t)
        }
        let t = scratch[0]
        var slabs = MutableBlockView(
            y.elements.part(0..<y.elements.count), .consecutive(count: a.rows, rows: b.rows, columns: batch))
        BLAS.gemm(BlockView(parameters.extracting(at[1]), right), BlockView(t.span, middle(batch)), into: &slabs)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let (batch, t) = (x.columns, scratch[0])
        let slabs = BlockView(g.elements, .consecutive(count: a.rows, rows: b.rows, columns: batch))
        do {
            var db = MutableBlockView(blockGradients.part(at[1]), right)
            BLAS.gemm(slabs, BlockView(t.span, middle(batch)), transposeB: true, into: &db)
        }
        do {
            var dt = MutableBlockView(scratch[1].mutableSpan, middle(batch))
            BLAS.gemm(BlockView(parameters.extracting(at[1]), right), transposeA: true, slabs, into: &dt)
        }
        let dt = scratch[1]
        do {
            var da = MutableMatrixView(blockGradients.part(at[0]), rows: a.rows, columns: a.columns)
            BLAS.gemm(dt.view, MatrixView(x.elements, rows: a.columns, columns: b.columns * batch), transposeB: true, into: &da)
        }
        var grid = MutableMatrixView(dx.elements.part(0..<dx.elements.count), rows: a.columns, columns: b.columns * batch)
        BLAS.gemm(
            MatrixView(parameters.extracting(at[0]), rows: a.rows, columns: a.columns), transposeA: true, dt.view, into: &grid)
    }

    /// B, once for every row of A·X.
    private var right: BlockLayout { .repeated(count: a.rows, rows: b.rows, columns: b.columns) }

    /// Of A·X.
    private func middle(_ batch: Int) -> BlockLayout { .consecutive(count: a.rows, rows: b.columns, columns: batch) }

    private func spectra(_ parameters: Span<Float>, _ at: [Range<Int>]) throws(LAPACKError) -> (FactorSpectrum, FactorSpectrum) {
        let left = try FactorSpectrum(MatrixView(parameters.extracting(at[0]), rows: a.rows, columns: a.columns))
        return (left, try FactorSpectrum(MatrixView(parameters.extracting(at[1]), rows: b.rows, columns: b.columns)))
    }

    /// Singular values of the map beyond the products of those of the factors; zero. None unless one factor is tall and the other
    /// wide.
    private var zeros: Int {
        min(a.rows * b.rows, a.columns * b.columns) - min(a.rows, a.columns) * min(b.rows, b.columns)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        let (left, right) = try spectra(parameters, at)
        let upper = left.bounds.upper * right.bounds.upper
        return SpectralBounds(lower: zeros > 0 ? 0 : left.bounds.lower * right.bounds.lower, upper: upper)
            .widened(width: a.columns + b.columns, scale: upper)
    }

    public func analyticSpectrum(parameters: Span<Float>, at: [Range<Int>]) -> [Double]? {
        guard let (left, right) = try? spectra(parameters, at) else { return nil }
        let products = left.values.flatMap { value in right.values.map { value * $0 } }.sorted(by: >)
        return products + Array(repeating: 0, count: zeros)
    }
}
