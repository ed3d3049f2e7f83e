import LinearAlgebra

/// x ↦ W·x with a free matrix W [n, n].
public struct DensePath: PathFamily {
    /// How W begins.
    public enum Init: String, CaseIterable, Sendable {
        /// N(0, 2/n), for relu (He et al., 2015).
        case he
        /// N(0, 1/n), for tanh and linear layers (Glorot and Bengio, 2010, at equal widths).
        case xavier
        /// A random orthogonal matrix (Saxe et al., 2014).
        case orthogonal
    }

    let width: Int
    let start: Init

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        width = try context.squareWidth(of: "dense")
        start = try options.choice("init", default: Init.xavier)
    }

    public var blocks: [BlockDeclaration] { [BlockDeclaration("weight", shape: [width, width])] }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        start.fill(&values, rows: width, columns: width, generator: generator)
    }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: width, columns: width), x, into: &y)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let w = MatrixView(parameters.extracting(at[0]), rows: width, columns: width)
        BLAS.gemm(w, transposeA: true, g, into: &dx)
        var dw = MutableMatrixView(blockGradients.part(at[0]), rows: width, columns: width)
        BLAS.gemm(g, x, transposeB: true, into: &dw)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        try SpectralBounds.bracket(MatrixView(parameters.extracting(at[0]), rows: width, columns: width)).widened(width: width)
    }
}

extension DensePath.Init {
    /// Fills W [rows, columns]; n is the number of columns.
    func fill(_ values: inout MutableSpan<Float>, rows: Int, columns: Int, generator: CounterRNG) {
        let variance = self == .he ? 2 / Double(columns) : 1 / Double(columns)
        generator.fillNormal(&values, standardDeviation: Float(variance.squareRoot()))
        if self == .orthogonal { Self.orthogonalise(&values, rows: rows, columns: columns) }
    }

    /// W ← Q·sign(diag R) of W = Q·R: uniformly distributed when W was Gaussian (Mezzadri, 2007). Orthonormal columns, or rows where
    /// there are fewer of them.
    private static func orthogonalise(_ values: inout MutableSpan<Float>, rows: Int, columns: Int) {
        let (tall, count) = (rows >= columns, min(rows, columns))
        var drawn = Matrix(rows: max(rows, columns), columns: count)
        for i in 0..<drawn.rows { for j in 0..<count { drawn[i, j] = tall ? values[i * columns + j] : values[j * columns + i] } }
        guard let (q, r) = try? LAPACK.qr(drawn.view) else { return }
        for i in 0..<drawn.rows {
            for j in 0..<count { values[tall ? i * columns + j : j * columns + i] = r[j, j] < 0 ? -q[i, j] : q[i, j] }
        }
    }
}
