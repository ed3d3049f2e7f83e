import LinearAlgebra

/// R(x) = φ(W·x + b) with a free matrix W [m, n]: beside the identity, a plain residual layer.
///
/// Lip(R) ≤ ‖W‖₂·L_φ, from the float64 eigenvalues of the Gram matrix: O(n³) a version under a cap, where the low-rank kinds need r³.
public struct DenseCorrection: CorrectionKind {
    /// How W begins.
    public enum Init: String, CaseIterable, Sendable {
        /// N(0, 2/n), for relu (He et al., 2015).
        case he
        /// N(0, 1/n), for tanh and linear maps (Glorot and Bengio, 2010, at equal widths).
        case xavier
    }

    let inputs: Int
    let outputs: Int
    let activation: Activation
    let start: Init

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        (inputs, outputs) = (context.inputs, context.outputs)
        activation = try options.choice("activation", default: Activation.relu)
        start = try options.choice("init", default: activation == .relu ? Init.he : .xavier)
    }

    public var blocks: [BlockDeclaration] {
        [BlockDeclaration("weight", shape: [outputs, inputs]), BlockDeclaration("bias", shape: [outputs], decays: false)]
    }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        if block > 0 { return }
        let variance = start == .he ? 2 / Double(inputs) : 1 / Double(inputs)
        generator.fillNormal(&values, standardDeviation: Float(variance.squareRoot()))
    }

    private var side: TopSingularVector.Side { inputs <= outputs ? .columns : .rows }

    /// Scalar: ‖W‖₂. Matrix: its top singular vector on the smaller side.
    public func makeDerived() -> DerivedValues { DerivedValues(shapes: [MatrixShape(1, min(inputs, outputs))], scalars: 1) }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        derived.scalars[0] = TopSingularVector.measure(
            MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs), side: side, into: &derived.matrices[0])
    }

    /// h = φ(Wx + b); the gradient before φ.
    public func scratchShapes(batch: Int) -> [MatrixShape] { [MatrixShape(outputs, batch), MatrixShape(outputs, batch)] }

    private func activate(_ x: MatrixView, _ parameters: Span<Float>, _ at: [Range<Int>], _ scratch: inout [Matrix]) {
        var h = scratch[0].mutableView
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs), x, into: &h)
        VectorKernels.addBias(parameters.extracting(at[1]), activation: activation, to: &h)
    }

    public func addForward(
        _ x: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        activate(x, parameters, at, &scratch)
        let h = scratch[0]
        VectorKernels.axpy(factor, h.span, into: &y.elements)
    }

    public func addBackward(
        _ x: MatrixView, factor: Float, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        blockGradients: inout MutableSpan<Float>, to dx: inout MutableMatrixView
    ) -> Double {
        let h = scratch[0]
        let alignment = VectorKernels.dot(g.elements, h.span)
        var p = scratch[1].mutableView
        VectorKernels.copy(g.elements, into: &p.elements)
        VectorKernels.multiplyByDerivative(of: activation, output: h.view, gradient: &p)
        VectorKernels.scale(&p.elements, by: factor)
        do {
            var dw = MutableMatrixView(blockGradients.part(at[0]), rows: outputs, columns: inputs)
            BLAS.gemm(p.view, x, transposeB: true, into: &dw)
        }
        var db = blockGradients.part(at[1])
        VectorKernels.rowSums(p.view, into: &db)
        BLAS.gemm(
            MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs), transposeA: true, p.view, beta: 1, into: &dx)
        return alignment
    }

    public func addBoundGradient(
        weight: Double, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, blockGradients: inout MutableSpan<Float>
    ) {
        var dw = blockGradients.part(at[0])
        TopSingularVector.addGradient(
            weight: weight, norm: derived.scalars[0], side: side, vector: derived.matrices[0],
            of: MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs), to: &dw)
    }

    public func addJVP(
        _ x: MatrixView, _ v: MatrixView, factor: Float, parameters: Span<Float>, at: [Range<Int>], scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        activate(x, parameters, at, &scratch)
        let h = scratch[0]
        var t = scratch[1].mutableView
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs), v, into: &t)
        VectorKernels.multiplyByDerivative(of: activation, output: h.view, gradient: &t)
        VectorKernels.axpy(factor, t.elements.span, into: &y.elements)
    }
}
