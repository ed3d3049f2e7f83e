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
        let variance = start == .he ? 2 / Double(width) : 1 / Double(width)
        generator.fillNormal(&values, standardDeviation: Float(variance.squareRoot()))
        if start == .orthogonal { Self.orthogonalise(&values, width: width) }
    }

    /// W ← Q·sign(diag R) of W = Q·R: uniformly distributed when W was Gaussian (Mezzadri, 2007).
    private static func orthogonalise(_ values: inout MutableSpan<Float>, width: Int) {
        guard let (q, r) = try? LAPACK.qr(MatrixView(values.span, rows: width, columns: width)) else { return }
        for row in 0..<width {
            for column in 0..<width { values[row * width + column] = r[column, column] < 0 ? -q[row, column] : q[row, column] }
        }
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
        let values = try LAPACK.singularValues(MatrixView(parameters.extracting(at[0]), rows: width, columns: width))
        // gesdd is backward stable: every value errs by at most about n·ε·σ₁ (Anderson et al., LAPACK Users' Guide, §4.9).
        let (largest, smallest) = (Double(values.first ?? 0), Double(values.last ?? 0))
        let error = Double(width) * Double(Float.ulpOfOne) * largest
        return SpectralBounds(lower: max(0, smallest - error), upper: largest + error).widened(width: width)
    }
}
