import LinearAlgebra

/// x ↦ Q_U·diag(s)·Q_Vᵀ·P·x with s = σ_min + (σ_max − σ_min)·sigmoid(p): every singular value stays between σ_min and σ_max
/// whatever is trained, so the condition number below σ_max/σ_min.
///
/// Q_U [m, m] and Q_V [n, n] are products of k Householder reflections, P a fixed signed permutation, diag(s) [m, n] has min(m,
/// n) values, as in the spectral parametrization of Zhang, Lei and Dhillon (2018). 4k(m + n) + 2k² operations an example.
public struct BoundedSVDPath: PathFamily {
    let left: CompactWYProduct
    let right: CompactWYProduct
    let sigmaMin: Double
    let sigmaMax: Double
    let mixing: FixedMixing
    let learningRateScaling: Bool

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        let count = min(context.inputs, context.outputs)
        let reflectors = try options.integer(
            "reflectors", default: max(1, count / 8), in: 1...count,
            meaning: context.inputs == context.outputs ? "the width" : "the smaller width")
        left = CompactWYProduct(
            reflectors: reflectors, width: context.outputs, learningRateScaling: context.learningRateScaling)
        right = CompactWYProduct(
            reflectors: reflectors, width: context.inputs, learningRateScaling: context.learningRateScaling)
        let least = try options.number(
            "sigmaMin", default: 0.5, expectation: "a number from 0 to 1000", accepts: { (0...1000).contains($0) })
        sigmaMax = try options.number(
            "sigmaMax", default: max(1.5, 2 * least), expectation: "a number above sigmaMin, \(least), and up to 1000000",
            accepts: { Float($0) > Float(least) && $0 <= 1_000_000 })
        sigmaMin = least
        mixing = try FixedMixing(options: &options, family: "bounded-svd", width: context.inputs, context: context)
        learningRateScaling = context.learningRateScaling
    }

    public static var takesRectangular: Bool { true }

    /// min(m, n).
    var count: Int { min(left.width, right.width) }

    public var blocks: [BlockDeclaration] {
        // As with a diagonal: ‖Δdiag(s)‖ is about one step where a dense update may reach n of them.
        let multiplier = learningRateScaling ? Float(right.width) : 1
        return [
            left.block("left"), right.block("right"),
            BlockDeclaration("spectrum", shape: [count], learningRateMultiplier: multiplier, decays: false),
        ]
    }

    /// All singular values begin at 1 where that lies between the bounds, else in their middle.
    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        switch block {
        case 0: left.initialise(generator: generator, into: &values)
        case 1: right.initialise(generator: generator, into: &values)
        default:
            let inside = sigmaMin < 1 && 1 < sigmaMax
            VectorKernels.fill(&values, with: inside ? Float(ScalarMath.log((1 - sigmaMin) / (sigmaMax - 1))) : 0)
        }
    }

    /// M of Q_U and of Q_V; s and ds/dp, [1, min(m, n)].
    public func makeDerived() -> DerivedValues {
        DerivedValues(shapes: [left.triangleShape, right.triangleShape, MatrixShape(1, count), MatrixShape(1, count)])
    }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        left.derive(parameters.extracting(at[0]), into: &derived.matrices[0])
        right.derive(parameters.extracting(at[1]), into: &derived.matrices[1])
        squash(parameters.extracting(at[2]), into: &derived)
    }

    /// s and ds/dp from p.
    func squash(_ p: Span<Float>, into derived: inout DerivedValues) {
        let (least, range) = (Float(sigmaMin), Float(sigmaMax) - Float(sigmaMin))
        do {
            var e = derived.matrices[2].mutableSpan
            VectorKernels.copy(p, into: &e)
            VectorKernels.scale(&e, by: -1)
            VectorKernels.exp(&e)
            // In this form rounding cannot carry s below σ_min; beyond p = ±88 the sigmoid is 0 or 1.
            for index in e.indices { e[index] = 1 / (1 + e[index]) }
        }
        do {
            let sigmoid = derived.matrices[2]
            var slope = derived.matrices[3].mutableSpan
            for index in slope.indices { slope[index] = range * sigmoid.span[index] * (1 - sigmoid.span[index]) }
        }
        var s = derived.matrices[2].mutableSpan
        for index in s.indices { s[index] = least + range * s[index] }
    }
}
