import LinearAlgebra

/// x ↦ x: with a correction, a residual layer.
public struct IdentityPath: PathFamily {
    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        _ = try context.squareWidth(of: "identity")
    }

    public var blocks: [BlockDeclaration] { [] }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        VectorKernels.copy(x.elements, into: &y.elements)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        VectorKernels.copy(g.elements, into: &dx.elements)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) -> SpectralBounds {
        SpectralBounds(lower: 1, upper: 1)
    }
}
