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
        let variance = start == .he ? 2 / Double(inputs) : 2 / Double(inputs + outputs)
        generator.fillNormal(&values, standardDeviation: Float(variance.squareRoot()))
        if start == .orthogonal { RandomOrthogonal.orthogonalise(&values, rows: outputs, columns: inputs) }
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
        let values = try LAPACK.singularValues(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs))
        // gesdd is backward stable: every value errs by at most about n·ε·σ₁ (Anderson et al., LAPACK Users' Guide, §4.9).
        let (largest, smallest, size) = (Double(values.first ?? 0), Double(values.last ?? 0), max(inputs, outputs))
        let error = Double(size) * Double(Float.ulpOfOne) * largest
        return SpectralBounds(lower: max(0, smallest - error), upper: largest + error).widened(width: size)
    }
}
