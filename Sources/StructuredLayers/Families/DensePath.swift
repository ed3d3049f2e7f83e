import LinearAlgebra

/// x ↦ W·x with a free matrix W [m, n].
public struct DensePath: PathFamily {
    /// How W begins.
    public enum Init: String, CaseIterable, Sendable {
        /// N(0, 2/n), for relu (He et al., 2015).
        case he
        /// N(0, 2/(m + n)), for tanh and linear layers (Glorot and Bengio, 2010).
        case xavier
        /// A random matrix with orthonormal rows or columns (Saxe et al., 2014).
        case orthogonal
    }

    let inputs: Int
    let outputs: Int
    let start: Init

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        (inputs, outputs) = (context.inputs, context.outputs)
        start = try options.choice("init", default: Init.xavier)
    }

    public static var takesRectangular: Bool { true }

    public var blocks: [BlockDeclaration] { [BlockDeclaration("weight", shape: [outputs, inputs])] }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        start.fill(&values, rows: outputs, columns: inputs, generator: generator)
    }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs), x, into: &y)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let w = MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs)
        BLAS.gemm(w, transposeA: true, g, into: &dx)
        var dw = MutableMatrixView(blockGradients.part(at[0]), rows: outputs, columns: inputs)
        BLAS.gemm(g, x, transposeB: true, into: &dw)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        try SpectralBounds.bracket(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs))
            .widened(width: max(inputs, outputs))
    }
}

extension DensePath.Init {
    /// Fills W [rows, columns].
    func fill(_ values: inout MutableSpan<Float>, rows: Int, columns: Int, generator: CounterRNG) {
        let variance = self == .he ? 2 / Double(columns) : 2 / Double(rows + columns)
        generator.fillNormal(&values, standardDeviation: Float(variance.squareRoot()))
        if self == .orthogonal { RandomOrthogonal.orthogonalise(&values, rows: rows, columns: columns) }
    }
}
