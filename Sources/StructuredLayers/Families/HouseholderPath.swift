import LinearAlgebra

/// x ↦ Q·P·x: P a fixed signed permutation, Q = H₁⋯H_k a product of k trained Householder reflections, so orthogonal for all
/// parameters.
///
/// k reflections move k dimensions; P, which costs a copy, lets layers mix all of them. k ≥ n/8 is advised. With `trained: false` the
/// reflectors stay as they were drawn: a fixed random orthogonal map.
public struct HouseholderPath: PathFamily {
    let product: CompactWYProduct
    let mixing: FixedMixing
    let isTrained: Bool

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        let width = try context.squareWidth(of: "householder")
        let reflectors = try options.integer("reflectors", default: max(1, width / 8), in: 1...width, meaning: "the width")
        isTrained = try options.flag("trained", default: true)
        product = CompactWYProduct(
            reflectors: reflectors, width: width, learningRateScaling: context.learningRateScaling)
        mixing = try FixedMixing(options: &options, family: "householder", width: width, context: context)
    }

    public var blocks: [BlockDeclaration] { [product.block("reflectors")] }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        product.initialise(generator: generator, into: &values)
    }

    /// M.
    public func makeDerived() -> DerivedValues { DerivedValues(shapes: [product.triangleShape]) }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        product.derive(parameters.extracting(at[0]), into: &derived.matrices[0])
    }

    /// P·x; those of the product; the gradient wrt P·x.
    public func scratchShapes(batch: Int) -> [MatrixShape] {
        let shape = MatrixShape(product.width, batch)
        return [shape] + product.scratchShapes(batch: batch) + [shape]
    }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        do {
            var mixed = scratch[0].mutableView
            mixing.apply(x, into: &mixed)
        }
        let mixed = scratch[0]
        product.apply(
            mixed.view, reflectors: parameters.extracting(at[0]), triangle: derived.matrices[0], scratch: &scratch, first: 1,
            into: &y)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let mixed = scratch[0]
        // Out of the array for as long as the product writes both it and the others.
        var mixedGradient = scratch.removeLast()
        do {
            var target = mixedGradient.mutableView
            product.backward(
                mixed.view, gradient: g, reflectors: parameters.extracting(at[0]), triangle: derived.matrices[0], scratch: &scratch,
                first: 1, reflectorGradient: blockGradients.part(at[0]), into: &target)
        }
        if !isTrained {
            var reflectorGradient = blockGradients.part(at[0])
            VectorKernels.fill(&reflectorGradient, with: 0)
        }
        mixing.applyTransposed(mixedGradient.view, into: &dx)
        scratch.append(mixedGradient)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        let slack = try product.slack(triangle: derived.matrices[0])
        return SpectralBounds(lower: max(0, 1 - slack), upper: 1 + slack).widened(width: product.width)
    }

    public func analyticSpectrum(parameters: Span<Float>, at: [Range<Int>]) -> [Double]? {
        Array(repeating: 1, count: product.width)
    }
}
