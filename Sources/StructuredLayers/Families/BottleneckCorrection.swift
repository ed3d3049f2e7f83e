import LinearAlgebra

/// R(x) = U·φ(Vᵀx + b): r units between U [n, r] and Vᵀ [r, n].
///
/// Lip(R) ≤ √λmax(UᵀU)·√λmax(VᵀV)·L_φ, from float64 eigenvalues of r × r matrices; L_φ = 1 for the activations here.
public struct BottleneckCorrection: CorrectionKind {
    let width: Int
    let rank: Int
    let activation: Activation
    let learningRateScaling: Bool

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        width = try context.squareWidth(of: "bottleneck")
        learningRateScaling = context.learningRateScaling
        rank = try options.integer("rank", default: max(1, width / 8), in: 1...width, meaning: "the width")
        activation = try options.choice("activation", default: Activation.tanh)
    }

    public var blocks: [BlockDeclaration] {
        // A factor through r units: V sees n inputs and feeds r, U sees r and feeds n (spectral scaling, Qiu et al., 2024).
        let up = learningRateScaling ? max(0.25, Float(width) / Float(2 * rank)).squareRoot() : 1
        return [
            BlockDeclaration("up", shape: [width, rank], learningRateMultiplier: up),
            BlockDeclaration("down", shape: [rank, width]),
            BlockDeclaration("bias", shape: [rank], decays: false),
        ]
    }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        switch block {
        case 0: generator.fillNormal(&values, standardDeviation: 0.5 / Float(width).squareRoot())
        case 1: generator.fillNormal(&values, standardDeviation: 1 / Float(width).squareRoot())
        default: break
        }
    }

    /// Scalars: the bound, σ(U), σ(V). Matrices: the top right singular vector of U and left of Vᵀ, as rows of r.
    public func makeDerived() -> DerivedValues { DerivedValues(shapes: [MatrixShape(1, rank), MatrixShape(1, rank)], scalars: 3) }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        let up = Self.top(MatrixView(parameters.extracting(at[0]), rows: width, columns: rank), into: &derived.matrices[0])
        let down = Self.top(MatrixView(parameters.extracting(at[1]), rows: rank, columns: width), into: &derived.matrices[1])
        derived.scalars = [up * down, up, down]
    }

    /// The largest singular value; its vector on the smaller side goes into `vector`. NaN when the matrix is not finite.
    private static func top(_ a: MatrixView, into vector: inout Matrix) -> Double {
        guard let (values, vectors) = try? LAPACK.symmetricEigenvectors(DoubleMatrix(a).smallerGram()), let largest = values.last
        else {
            return .nan
        }
        let last = values.count - 1
        for index in 0..<vector.columns { vector[0, index] = index <= last ? Float(vectors[last, index]) : 0 }
        return max(0, largest).squareRoot()
    }

    /// h = φ(Vᵀx + b); Uᵀg, then the gradient before φ.
    public func scratchShapes(batch: Int) -> [MatrixShape] { [MatrixShape(rank, batch), MatrixShape(rank, batch)] }

    public func addForward(
        _ x: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        var h = scratch[0].mutableView
        BLAS.gemm(MatrixView(parameters.extracting(at[1]), rows: rank, columns: width), x, into: &h)
        VectorKernels.addBias(parameters.extracting(at[2]), activation: activation, to: &h)
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: width, columns: rank), h.view, alpha: factor, beta: 1, into: &y)
    }

    public func addBackward(
        _ x: MatrixView, factor: Float, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        blockGradients: inout MutableSpan<Float>, to dx: inout MutableMatrixView
    ) -> Double {
        let up = MatrixView(parameters.extracting(at[0]), rows: width, columns: rank)
        let down = MatrixView(parameters.extracting(at[1]), rows: rank, columns: width)
        let h = scratch[0]
        var p = scratch[1].mutableView
        BLAS.gemm(up, transposeA: true, g, into: &p)
        let alignment = VectorKernels.dot(p.view.elements, h.span)
        VectorKernels.multiplyByDerivative(of: activation, output: h.view, gradient: &p)
        VectorKernels.scale(&p.elements, by: factor)
        do {
            var du = MutableMatrixView(blockGradients.part(at[0]), rows: width, columns: rank)
            BLAS.gemm(g, h.view, transposeB: true, alpha: factor, into: &du)
        }
        do {
            var dv = MutableMatrixView(blockGradients.part(at[1]), rows: rank, columns: width)
            BLAS.gemm(p.view, x, transposeB: true, into: &dv)
        }
        var db = blockGradients.part(at[2])
        VectorKernels.rowSums(p.view, into: &db)
        BLAS.gemm(down, transposeA: true, p.view, beta: 1, into: &dx)
        return alignment
    }

    public func addBoundGradient(
        weight: Double, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, blockGradients: inout MutableSpan<Float>
    ) {
        let (up, down) = (derived.scalars[1], derived.scalars[2])
        guard up > 0, down > 0 else { return }
        let (right, left) = (derived.matrices[0], derived.matrices[1])
        // ∂σ/∂U = u·qᵀ with u = U·q/σ, for the top pair (u, q); likewise for Vᵀ with its left vector.
        for row in 0..<width {
            let place = at[0].lowerBound + row * rank
            var u = 0.0
            for k in 0..<rank { u += Double(parameters[place + k]) * Double(right[0, k]) }
            let scale = weight * down * u / up
            for k in 0..<rank { blockGradients[place + k] += Float(scale * Double(right[0, k])) }
        }
        for column in 0..<width {
            var v = 0.0
            for k in 0..<rank { v += Double(parameters[at[1].lowerBound + k * width + column]) * Double(left[0, k]) }
            let scale = weight * up * v / down
            for k in 0..<rank { blockGradients[at[1].lowerBound + k * width + column] += Float(scale * Double(left[0, k])) }
        }
    }

    public func addJVP(
        _ x: MatrixView, _ v: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        let down = MatrixView(parameters.extracting(at[1]), rows: rank, columns: width)
        do {
            var h = scratch[0].mutableView
            BLAS.gemm(down, x, into: &h)
            VectorKernels.addBias(parameters.extracting(at[2]), activation: activation, to: &h)
        }
        let h = scratch[0]
        var t = scratch[1].mutableView
        BLAS.gemm(down, v, into: &t)
        VectorKernels.multiplyByDerivative(of: activation, output: h.view, gradient: &t)
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: width, columns: rank), t.view, alpha: factor, beta: 1, into: &y)
    }
}
