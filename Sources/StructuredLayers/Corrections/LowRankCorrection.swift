import LinearAlgebra

/// R(x) = U·Vᵀ·x, linear, through r units between U [m, r] and Vᵀ [r, n]; begins at zero.
///
/// Lip(R) = ‖U·Vᵀ‖₂, exact to float64: with A = UᵀU and B = VᵀV it is √λmax(B^½·A·B^½), a matrix of r × r.
public struct LowRankCorrection: CorrectionKind {
    let inputs: Int
    let outputs: Int
    let rank: Int
    let learningRateScaling: Bool

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        (inputs, outputs, learningRateScaling) = (context.inputs, context.outputs, context.learningRateScaling)
        rank = try options.rank(context)
    }

    public var blocks: [BlockDeclaration] {
        // Two cores share the rate of a dense matrix, each by the units that it sees: r and n (Qiu et al., 2024).
        let (up, down) = learningRateScaling ? (Float(inputs) / Float(2 * rank), Float(0.5)) : (1, 1)
        return [
            BlockDeclaration("up", shape: [outputs, rank], learningRateMultiplier: up),
            BlockDeclaration("down", shape: [rank, inputs], learningRateMultiplier: down),
        ]
    }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        if block == 1 { generator.fillNormal(&values, standardDeviation: 1 / Float(inputs).squareRoot()) }
    }

    /// Scalar: σ = ‖U·Vᵀ‖₂. Matrices, rows of r: p = Vᵀv and q = Uᵀu of the top pair (u, v) of U·Vᵀ.
    public func makeDerived() -> DerivedValues { DerivedValues(shapes: [MatrixShape(1, rank), MatrixShape(1, rank)], scalars: 1) }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        let a = DoubleMatrix(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank)).columnGram()
        let b = DoubleMatrix(MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs)).rowGram()
        derived.scalars[0] = Self.norm(a, b, into: &derived.matrices)
    }

    /// The largest singular value from A and B. In the eigenvectors (λ, e) of B, B^½·A·B^½ is √λᵢ·eᵢᵀ·A·eⱼ·√λⱼ.
    private static func norm(_ a: DoubleMatrix, _ b: DoubleMatrix, into vectors: inout [Matrix]) -> Double {
        guard let (values, e) = try? LAPACK.symmetricEigenvectors(b) else { return .nan }
        // Rows √λᵢ·eᵢ.
        var half = e
        for i in values.indices {
            let root = max(0, values[i]).squareRoot()
            for k in values.indices { half[i, k] *= root }
        }
        let product = DoubleMatrix.product(DoubleMatrix.product(half, a), half, transposeB: true)
        guard let (squares, z) = try? LAPACK.symmetricEigenvectors(product), let largest = squares.last else { return .nan }
        let norm = max(0, largest).squareRoot()
        var inner = DoubleMatrix(rows: 1, columns: squares.count)
        for k in squares.indices { inner[0, k] = z[squares.count - 1, k] }
        let p = DoubleMatrix.product(inner, half)
        let outer = DoubleMatrix.product(p, a)
        for k in squares.indices {
            vectors[0][0, k] = Float(p[0, k])
            vectors[1][0, k] = norm > 0 ? Float(outer[0, k] / norm) : 0
        }
        return norm
    }

    /// ‖U‖_F·‖V‖_F: the factors may cancel in their product, whose norm is the bound.
    public func termSize(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) -> Double {
        let squares = at.prefix(2).map { VectorKernels.sumOfSquares(parameters.extracting($0)) }
        return (squares[0] * squares[1]).squareRoot()
    }

    /// Vᵀx; Uᵀg.
    public func scratchShapes(batch: Int) -> [MatrixShape] { [MatrixShape(rank, batch), MatrixShape(rank, batch)] }

    public func addForward(
        _ x: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        var h = scratch[0].mutableView
        BLAS.gemm(MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs), x, into: &h)
        BLAS.gemm(
            MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank), h.view, alpha: factor, beta: 1, into: &y)
    }

    public func addBackward(
        _ x: MatrixView, factor: Float, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        blockGradients: inout MutableSpan<Float>, to dx: inout MutableMatrixView
    ) -> Double {
        let h = scratch[0]
        var p = scratch[1].mutableView
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank), transposeA: true, g, into: &p)
        let alignment = VectorKernels.dot(p.view.elements, h.span)
        do {
            var du = MutableMatrixView(blockGradients.part(at[0]), rows: outputs, columns: rank)
            BLAS.gemm(g, h.view, transposeB: true, alpha: factor, into: &du)
        }
        var dv = MutableMatrixView(blockGradients.part(at[1]), rows: rank, columns: inputs)
        BLAS.gemm(p.view, x, transposeB: true, alpha: factor, into: &dv)
        BLAS.gemm(
            MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs), transposeA: true, p.view, alpha: factor, beta: 1,
            into: &dx)
        return alignment
    }

    public func addBoundGradient(
        weight: Double, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, blockGradients: inout MutableSpan<Float>
    ) {
        let (norm, p, q) = (derived.scalars[0], derived.matrices[0], derived.matrices[1])
        guard norm > 0 else { return }
        // ∂σ/∂(UVᵀ) = u·vᵀ, so ∂σ/∂U = u·pᵀ and ∂σ/∂Vᵀ = q·vᵀ, with u = U·p/σ and v = V·q/σ.
        for row in 0..<outputs {
            let place = at[0].lowerBound + row * rank
            var u = 0.0
            for k in 0..<rank { u += Double(parameters[place + k]) * Double(p[0, k]) }
            let scale = weight * u / norm
            for k in 0..<rank { blockGradients[place + k] += Float(scale * Double(p[0, k])) }
        }
        for column in 0..<inputs {
            let place = at[1].lowerBound + column
            var v = 0.0
            for k in 0..<rank { v += Double(parameters[place + k * inputs]) * Double(q[0, k]) }
            let scale = weight * v / norm
            for k in 0..<rank { blockGradients[place + k * inputs] += Float(scale * Double(q[0, k])) }
        }
    }

    public func addJVP(
        _ x: MatrixView, _ v: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        addForward(v, factor: factor, parameters: parameters, at: at, scratch: &scratch, to: &y)
    }
}
