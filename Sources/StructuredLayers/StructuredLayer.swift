import LinearAlgebra

/// One layer: x ↦ activation(path(x) + scale·clip(cap(correction(x))) + b), ℝⁿ → ℝᵐ; the two branches may be mixed convexly.
///
/// A value without numbers: parameters come with each call. [n, batch] and [m, batch] feature-major throughout.
public struct StructuredLayer: Sendable {
    /// n.
    public let inputs: Int
    /// m.
    public let outputs: Int
    public let path: any PathFamily
    let correction: LayerCorrection?
    public let activation: Activation
    public let hasBias: Bool

    /// Whether a cap or an output clip holds the correction.
    public var hasCap: Bool { correction.map { $0.budget != nil || $0.outputBudget != nil } ?? false }

    /// What multiplies both branches.
    var gain: Float { correction?.gain ?? 1 }

    /// Where the layer's blocks lie in the flat vector.
    struct Places: Sendable {
        var path: [Range<Int>] = []
        var correction: [Range<Int>] = []
        var bias: Range<Int>?
    }

    /// Derived values and work matrices of one layer.
    struct Work: Sendable {
        var pathDerived: DerivedValues
        var correctionDerived: DerivedValues
        var pathScratch: [Matrix]
        var correctionScratch: [Matrix]
        var correction: LayerCorrection.Work
    }

    var blocks: (path: [BlockDeclaration], correction: [BlockDeclaration], bias: [BlockDeclaration]) {
        var named = path.blocks
        for index in named.indices { named[index].name = "path.\(named[index].name)" }
        return (named, correction?.blocks ?? [], hasBias ? [BlockDeclaration("bias", shape: [outputs], decays: false)] : [])
    }

    func makeWork(batch: Int) -> Work {
        Work(
            pathDerived: path.makeDerived(), correctionDerived: correction?.kind.makeDerived() ?? DerivedValues(),
            pathScratch: path.scratchShapes(batch: batch).map { Matrix(rows: $0.rows, columns: $0.columns) },
            correctionScratch: correction?.kind.scratchShapes(batch: batch).map { Matrix(rows: $0.rows, columns: $0.columns) }
                ?? [],
            correction: correction?.makeWork(batch: batch) ?? LayerCorrection.Work())
    }

    func derive(_ parameters: Span<Float>, _ places: Places, _ work: inout Work) {
        path.derive(parameters: parameters, at: places.path, into: &work.pathDerived)
        correction?.derive(parameters, places.correction, &work.correctionDerived)
    }

    /// `pattern`: outputs whose signs say where a ReLU passes, instead of its own arguments.
    func forward(
        _ x: MatrixView, _ parameters: Span<Float>, _ places: Places, _ work: inout Work, pattern: Matrix? = nil,
        into y: inout MutableMatrixView
    ) {
        path.forward(
            x, parameters: parameters, at: places.path, derived: work.pathDerived, scratch: &work.pathScratch, into: &y)
        correction?.addForward(
            x, parameters: parameters, at: places.correction, derived: work.correctionDerived, scratch: &work.correctionScratch,
            work: &work.correction, to: &y)
        if gain != 1 { VectorKernels.scale(&y.elements, by: gain) }
        VectorKernels.addBias(
            parameters.extracting(places.bias ?? 0..<0), activation: pattern == nil ? activation : .none, to: &y)
        if let pattern { VectorKernels.multiplyByDerivative(of: .relu, output: pattern.view, gradient: &y) }
    }

    /// From g = ∂L/∂y, which it overwrites with the gradient before the activation: block gradients and dx ← ∂L/∂x.
    func backward(
        _ x: MatrixView, output y: MatrixView, gradient g: inout MutableMatrixView, _ parameters: Span<Float>, _ places: Places,
        _ work: inout Work, blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        VectorKernels.multiplyByDerivative(of: activation, output: y, gradient: &g)
        if let bias = places.bias {
            var db = blockGradients.part(bias)
            VectorKernels.rowSums(g.view, into: &db)
        }
        if gain != 1 { VectorKernels.scale(&g.elements, by: gain) }
        path.backward(
            x, gradient: g.view, parameters: parameters, at: places.path, derived: work.pathDerived, scratch: &work.pathScratch,
            blockGradients: &blockGradients, into: &dx)
        correction?.addBackward(
            x, gradient: g.view, parameters: parameters, at: places.correction, derived: work.correctionDerived,
            scratch: &work.correctionScratch, work: &work.correction, blockGradients: &blockGradients, to: &dx)
    }

    /// t ← J·v at x, where y is the layer's output at x.
    func jvp(
        _ x: MatrixView, _ v: MatrixView, output y: MatrixView, _ parameters: Span<Float>, _ places: Places, _ work: inout Work,
        into t: inout MutableMatrixView
    ) {
        path.jvp(
            x, v, parameters: parameters, at: places.path, derived: work.pathDerived, scratch: &work.pathScratch, into: &t)
        correction?.addJVP(
            x, v, parameters: parameters, at: places.correction, derived: work.correctionDerived, scratch: &work.correctionScratch,
            work: &work.correction, to: &t)
        if gain != 1 { VectorKernels.scale(&t.elements, by: gain) }
        VectorKernels.multiplyByDerivative(of: activation, output: y, gradient: &t)
    }
}
