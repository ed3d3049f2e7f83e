import LinearAlgebra

/// A path whose gradient can itself be differentiated along a direction v of its parameters, exactly but for rounding: what products
/// with a Hessian are made of (Pearlmutter, 1994).
///
/// Such a family derives nothing from its parameters, keeps no state, and allows any number of `backward` passes after one `forward`.
/// A dot marks the derivative along v: of x, given; of y, of g = ∂L/∂y and of dx = ∂L/∂x. All are [units, batch].
public protocol TangentPath: PathFamily {
    /// ẏ ← J·ẋ + ∂S/∂p·v at x.
    func forwardTangent(
        _ x: MatrixView, tangent xDot: MatrixView, parameters: Span<Float>, direction v: Span<Float>, at: [Range<Int>],
        into yDot: inout MutableMatrixView)
    /// Writes the derivatives along v of the blocks' gradients, and dẋ ← the derivative of ∂L/∂x, from g and ġ.
    func backwardTangent(
        _ x: MatrixView, tangent xDot: MatrixView, gradient g: MatrixView, gradientTangent gDot: MatrixView,
        parameters: Span<Float>, direction v: Span<Float>, at: [Range<Int>], blockProducts: inout MutableSpan<Float>,
        into dxDot: inout MutableMatrixView)
}

extension DensePath: TangentPath {
    /// ẏ ← W·ẋ + V·x.
    public func forwardTangent(
        _ x: MatrixView, tangent xDot: MatrixView, parameters: Span<Float>, direction v: Span<Float>, at: [Range<Int>],
        into yDot: inout MutableMatrixView
    ) {
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs), xDot, into: &yDot)
        BLAS.gemm(MatrixView(v.extracting(at[0]), rows: outputs, columns: inputs), x, beta: 1, into: &yDot)
    }

    /// dẆ ← ġ·xᵀ + g·ẋᵀ and dẋ ← Wᵀ·ġ + Vᵀ·g.
    public func backwardTangent(
        _ x: MatrixView, tangent xDot: MatrixView, gradient g: MatrixView, gradientTangent gDot: MatrixView,
        parameters: Span<Float>, direction v: Span<Float>, at: [Range<Int>], blockProducts: inout MutableSpan<Float>,
        into dxDot: inout MutableMatrixView
    ) {
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs), transposeA: true, gDot, into: &dxDot)
        BLAS.gemm(MatrixView(v.extracting(at[0]), rows: outputs, columns: inputs), transposeA: true, g, beta: 1, into: &dxDot)
        var dw = MutableMatrixView(blockProducts.part(at[0]), rows: outputs, columns: inputs)
        BLAS.gemm(gDot, x, transposeB: true, into: &dw)
        BLAS.gemm(g, xDot, transposeB: true, beta: 1, into: &dw)
    }
}

extension IdentityPath: TangentPath {
    /// ẏ ← ẋ.
    public func forwardTangent(
        _ x: MatrixView, tangent xDot: MatrixView, parameters: Span<Float>, direction v: Span<Float>, at: [Range<Int>],
        into yDot: inout MutableMatrixView
    ) {
        VectorKernels.copy(xDot.elements, into: &yDot.elements)
    }

    /// dẋ ← ġ.
    public func backwardTangent(
        _ x: MatrixView, tangent xDot: MatrixView, gradient g: MatrixView, gradientTangent gDot: MatrixView,
        parameters: Span<Float>, direction v: Span<Float>, at: [Range<Int>], blockProducts: inout MutableSpan<Float>,
        into dxDot: inout MutableMatrixView
    ) {
        VectorKernels.copy(gDot.elements, into: &dxDot.elements)
    }
}

extension BlockDiagonalPath: TangentPath {
    /// ẏ ← W·ẋ + V·x.
    public func forwardTangent(
        _ x: MatrixView, tangent xDot: MatrixView, parameters: Span<Float>, direction v: Span<Float>, at: [Range<Int>],
        into yDot: inout MutableMatrixView
    ) {
        var other = Matrix(rows: yDot.rows, columns: yDot.columns)
        do {
            var part = other.mutableView
            product.apply(v.extracting(at[0]), x, into: &part)
        }
        product.apply(parameters.extracting(at[0]), xDot, into: &yDot)
        VectorKernels.add(other.span, into: &yDot.elements)
    }

    /// dẆ ← ġ·xᵀ + g·ẋᵀ and dẋ ← Wᵀ·ġ + Vᵀ·g, block by block.
    public func backwardTangent(
        _ x: MatrixView, tangent xDot: MatrixView, gradient g: MatrixView, gradientTangent gDot: MatrixView,
        parameters: Span<Float>, direction v: Span<Float>, at: [Range<Int>], blockProducts: inout MutableSpan<Float>,
        into dxDot: inout MutableMatrixView
    ) {
        var (other, weights) = (Matrix(rows: dxDot.rows, columns: dxDot.columns), AlignedVector(count: at[0].count))
        do {
            var part = other.mutableView
            product.applyTransposed(v.extracting(at[0]), g, into: &part)
            product.gradient(xDot, gradient: g, into: weights.mutableSpan)
        }
        product.applyTransposed(parameters.extracting(at[0]), gDot, into: &dxDot)
        VectorKernels.add(other.span, into: &dxDot.elements)
        product.gradient(x, gradient: gDot, into: blockProducts.part(at[0]))
        var dw = blockProducts.part(at[0])
        VectorKernels.add(weights.span, into: &dw)
    }
}
