import LinearAlgebra
import StructuredLayers

/// x ↦ G_R⋯G₁·x: R rounds of n/2 plane rotations each, orthogonal for all parameters.
///
/// A round turns every coordinate once. The rounds pair coordinates as a round-robin tournament pairs players, the order that Brent and
/// Luk (1985) gave to Jacobi rotations: after n − 1 rounds every two have met exactly once. A rotation by θ is written with
/// t = tan(θ/2), c = (1 − t²)/(1 + t²), s = 2t/(1 + t²): no cosine is called, so no mathematical library decides the bits.
/// 3nR operations an example, nR/2 parameters.
public struct GivensPath: PathFamily {
    let width: Int
    let rounds: Int
    /// For each round the n/2 pairs of coordinates that it turns.
    let pairs: [[(first: Int, second: Int)]]
    private let learningRateScaling: Bool

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        width = try context.squareWidth(of: "givens")
        guard width >= 2, width % 2 == 0 else {
            throw SpecificationError(
                keyPath: "model.width", value: "\(width)", expectation: "an even number, as givens turns coordinates in pairs")
        }
        rounds = try options.integer(
            "rounds", default: min(8, width - 1), in: 1...width - 1, meaning: "after which every two coordinates have met")
        let width = width
        pairs = (0..<rounds).map { Self.pairs(round: $0, of: width) }
        learningRateScaling = context.learningRateScaling
    }

    /// The circle method: the last player stays, the others move on by one place a round.
    static func pairs(round: Int, of width: Int) -> [(first: Int, second: Int)] {
        let circle = width - 1
        return [(round, circle)]
            + (1..<width / 2).map { ((round + $0) % circle, (round + circle - $0) % circle) }
    }

    // MARK: - Parameters

    public var blocks: [BlockDeclaration] {
        // A step of δ in every t turns every plane by up to 2δ a round, 2Rδ in all; in every element of a dense matrix it has norm nδ.
        let multiplier = learningRateScaling ? Float(width) / Float(2 * rounds) : 1
        return [
            BlockDeclaration("tangents", shape: [rounds, width / 2], learningRateMultiplier: multiplier, decays: false)
        ]
    }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        generator.fillNormal(&values, standardDeviation: 1)
    }

    /// c, then s, [rounds, n/2].
    public func makeDerived() -> DerivedValues {
        DerivedValues(shapes: [MatrixShape(rounds, width / 2), MatrixShape(rounds, width / 2)])
    }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        for (index, place) in at[0].enumerated() {
            let t = Double(parameters[place])
            let (round, pair) = (index / (width / 2), index % (width / 2))
            derived.matrices[0][round, pair] = Float((1 - t * t) / (1 + t * t))
            derived.matrices[1][round, pair] = Float(2 * t / (1 + t * t))
        }
    }

    // MARK: - The map

    /// What each round puts out, for `backward`.
    public func scratchShapes(batch: Int) -> [MatrixShape] { Array(repeating: MatrixShape(width, batch), count: rounds) }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        VectorKernels.copy(x.elements, into: &y.elements)
        for round in 0..<rounds {
            turn(&y, round, derived, sine: 1)
            var kept = scratch[round].mutableSpan
            VectorKernels.copy(y.view.elements, into: &kept)
        }
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        VectorKernels.copy(g.elements, into: &dx.elements)
        for round in (0..<rounds).reversed() {
            let y = scratch[round]
            for (pair, (i, j)) in pairs[round].enumerated() {
                let place = at[0].lowerBound + round * (width / 2) + pair
                // ∂(yᵢ, yⱼ)/∂θ = (−yⱼ, yᵢ), ∂θ/∂t = 2/(1 + t²).
                let t = Double(parameters[place])
                let slope = product(y, i, dx.view, j) - product(y, j, dx.view, i)
                blockGradients[place] = Float(slope * 2 / (1 + t * t))
            }
            turn(&dx, round, derived, sine: -1)
        }
    }

    /// Rows (i, j) ← (c·i − s·j, s·i + c·j) for every pair of a round; `sine` −1 turns back.
    private func turn(_ x: inout MutableMatrixView, _ round: Int, _ derived: DerivedValues, sine: Float) {
        let batch = x.columns
        for (pair, (i, j)) in pairs[round].enumerated() {
            let (c, s) = (derived.matrices[0][round, pair], sine * derived.matrices[1][round, pair])
            for b in 0..<batch {
                let (first, second) = (x.elements[i * batch + b], x.elements[j * batch + b])
                x.elements[i * batch + b] = c * first - s * second
                x.elements[j * batch + b] = s * first + c * second
            }
        }
    }

    /// ⟨row i of a, row j of b⟩.
    private func product(_ a: Matrix, _ i: Int, _ b: MatrixView, _ j: Int) -> Double {
        let batch = b.columns
        return VectorKernels.dot(
            a.span.extracting(i * batch..<(i + 1) * batch), b.elements.extracting(j * batch..<(j + 1) * batch))
    }

    // MARK: - What is proven

    /// A rounded pair (c, s) is a rotation times √(c² + s²), and turning rounds each output by at most 2.5 ulp of its size: so much a round.
    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) -> SpectralBounds {
        var bounds = SpectralBounds(lower: 1, upper: 1)
        for round in 0..<rounds {
            let lengths = (0..<width / 2).map { pair in
                let (c, s) = (Double(derived.matrices[0][round, pair]), Double(derived.matrices[1][round, pair]))
                return (c * c + s * s).squareRoot()
            }
            guard let shortest = lengths.min(), let longest = lengths.max(), lengths.allSatisfy(\.isFinite) else {
                return SpectralBounds(lower: 0, upper: .infinity)
            }
            bounds.lower *= shortest * (1 - 2.5 * Double(Float.ulpOfOne))
            bounds.upper *= longest * (1 + 2.5 * Double(Float.ulpOfOne))
        }
        return bounds
    }

    public func analyticSpectrum(parameters: Span<Float>, at: [Range<Int>]) -> [Double]? { Array(repeating: 1, count: width) }
}
