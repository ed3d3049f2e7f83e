import LinearAlgebra

/// R(x) = U·φ(Vᵀx + b): r units between U [m, r] and Vᵀ [r, n].
///
/// Lip(R) ≤ √λmax(UᵀU)·√λmax(VᵀV)·L_φ, from float64 eigenvalues of r × r matrices; L_φ = 1 for the activations here.
public struct BottleneckCorrection: CorrectionKind {
    let inputs: Int
    let outputs: Int
    let rank: Int
    let activation: Activation
    let learningRateScaling: Bool

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        (inputs, outputs, learningRateScaling) = (context.inputs, context.outputs, context.learningRateScaling)
        rank = try options.rank(context)
        activation = try options.choice("activation", default: Activation.tanh)
    }

    public var blocks: [BlockDeclaration] {
        // A factor through r units: V sees n inputs and feeds r, U sees r and feeds m (spectral scaling, Qiu et al., 2024).
        let up = learningRateScaling ? max(0.25, Float(inputs) / Float(2 * rank)).squareRoot() : 1
        return [
            BlockDeclaration("up", shape: [outputs, rank], learningRateMultiplier: up),
            BlockDeclaration("down", shape: [rank, inputs]),
            BlockDeclaration("bias", shape: [rank], decays: false),
        ]
    }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        switch block {
        case 0: generator.fillNormal(&values, standardDeviation: 0.5 / Float(inputs).squareRoot())
        case 1: generator.fillNormal(&values, standardDeviation: 1 / Float(inputs).squareRoot())
        default: break
        }
    }

    /// Scalars: the bound, σ(U), σ(V). Matrices: the top right singular vector of U and left of Vᵀ, as rows of r.
    public func makeDerived() -> DerivedValues { DerivedValues(shapes: [MatrixShape(1, rank), MatrixShape(1, rank)], scalars: 3) }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        let up = TopSingularVector.measure(
            MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank), side: .columns, into: &derived.matrices[0])
        let down = TopSingularVector.measure(
            MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs), side: .rows, into: &derived.matrices[1])
        (derived.scalars[0], derived.scalars[1], derived.scalars[2]) = (up * down, up, down)
    }

    /// h = φ(Vᵀx + b); Uᵀg, then the gradient before φ.
    public func scratchShapes(batch: Int) -> [MatrixShape] { [MatrixShape(rank, batch), MatrixShape(rank, batch)] }

    public func addForward(
        _ x: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        var h = scratch[0].mutableView
        BLAS.gemm(MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs), x, into: &h)
        VectorKernels.addBias(parameters.extracting(at[2]), activation: activation, to: &h)
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank), h.view, alpha: factor, beta: 1, into: &y)
    }

    public func addBackward(
        _ x: MatrixView, factor: Float, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        blockGradients: inout MutableSpan<Float>, to dx: inout MutableMatrixView
    ) -> Double {
        let up = MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank)
        let down = MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs)
        let h = scratch[0]
        var p = scratch[1].mutableView
        BLAS.gemm(up, transposeA: true, g, into: &p)
        let alignment = VectorKernels.dot(p.view.elements, h.span)
        VectorKernels.multiplyByDerivative(of: activation, output: h.view, gradient: &p)
        VectorKernels.scale(&p.elements, by: factor)
        do {
            var du = MutableMatrixView(blockGradients.part(at[0]), rows: outputs, columns: rank)
            BLAS.gemm(g, h.view, transposeB: true, alpha: factor, into: &du)
        }
        do {
            var dv = MutableMatrixView(blockGradients.part(at[1]), rows: rank, columns: inputs)
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
        do {
            var du = blockGradients.part(at[0])
            TopSingularVector.addGradient(
                weight: weight * down, norm: up, side: .columns, vector: derived.matrices[0],
                of: MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank), to: &du)
        }
        var dv = blockGradients.part(at[1])
        TopSingularVector.addGradient(
            weight: weight * up, norm: down, side: .rows, vector: derived.matrices[1],
            of: MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs), to: &dv)
    }

    public func addJVP(
        _ x: MatrixView, _ v: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        let down = MatrixView(parameters.extracting(at[1]), rows: rank, columns: inputs)
        do {
            var h = scratch[0].mutableView
            BLAS.gemm(down, x, into: &h)
            VectorKernels.addBias(parameters.extracting(at[2]), activation: activation, to: &h)
        }
        let h = scratch[0]
        var t = scratch[1].mutableView
        BLAS.gemm(down, v, into: &t)
        VectorKernels.multiplyByDerivative(of: activation, output: h.view, gradient: &t)
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: rank), t.view, alpha: factor, beta: 1, into: &y)
    }
}
