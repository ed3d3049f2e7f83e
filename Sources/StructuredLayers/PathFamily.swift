import LinearAlgebra

/// The size of a work matrix.
public struct MatrixShape: Hashable, Sendable {
    public var rows: Int
    public var columns: Int

    public init(_ rows: Int, _ columns: Int) {
        self.rows = rows
        self.columns = columns
    }
}

/// What a part of a layer works out once per version, as a pure function of the parameters.
public struct DerivedValues: Sendable {
    public var matrices: [Matrix]
    public var scalars: [Double]
    /// Places, such as the pivots of a factorisation.
    public var indices: [Int32]

    /// Zeros of the given shapes.
    public init(shapes: [MatrixShape] = [], scalars: Int = 0, indices: Int = 0) {
        matrices = shapes.map { Matrix(rows: $0.rows, columns: $0.columns) }
        self.scalars = Array(repeating: 0, count: scalars)
        self.indices = Array(repeating: 0, count: indices)
    }
}

/// Proven bounds on the singular values of a map, or of its Jacobian anywhere.
public struct SpectralBounds: Hashable, Sendable {
    public var lower: Double
    public var upper: Double

    public init(lower: Double, upper: Double) {
        self.lower = lower
        self.upper = upper
    }

    /// The bounds of exact arithmetic widened for float32: a sum of n products errs by at most about n·ε of its size.
    public func widened(width: Int) -> SpectralBounds {
        let slack = 4 * Double(width).squareRoot() * Double(Float.ulpOfOne)
        return SpectralBounds(lower: max(0, lower * (1 - slack)), upper: upper * (1 + slack))
    }

    /// The same where terms of the size `scale` are summed on the way: the error is of their size, however small the lower bound.
    public func widened(width: Int, scale: Double) -> SpectralBounds {
        let error = 4 * Double(width).squareRoot() * Double(Float.ulpOfOne) * scale
        return SpectralBounds(lower: max(0, lower - error), upper: upper + error)
    }
}

/// A family of structured paths: the branch of a layer that maps ℝⁿ to ℝᵐ under a guarantee; many families keep the width, m = n.
///
/// A family is a value that knows its blocks but not their numbers: those come with each call as the flat vector and the places of
/// the family's blocks in it. Everything that depends on the parameters alone is worked out by `derive`, once per version. Work
/// matrices are declared by their shapes and kept between `forward` and `backward` of one microbatch. Activations are feature-major,
/// [units, batch]. Calls do not allocate, run on one thread, and are functions of their arguments: the same bits everywhere.
///
/// What a version hands to the next (the warm vectors of a power iteration) is a block of the role `.state`: `derive` reads the block
/// of its version, and `backward` writes the block's next value, a function of the version alone, where a parameter's gradient would be.
public protocol PathFamily: Sendable {
    /// Reads the options; whatever is not asked for is refused afterwards.
    init(options: inout OptionReader, context: LayerContext) throws(SpecificationError)

    /// Whether there are maps with more or fewer outputs than inputs; false unless said otherwise.
    static var takesRectangular: Bool { get }

    /// The blocks, in the order in which `at` names them later.
    var blocks: [BlockDeclaration] { get }
    /// Fills block `block` for a new network.
    func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>)
    /// Brings the blocks of state nearer to where they would come to rest if the parameters stayed as they are; called once for a new
    /// network, when every block is filled. May allocate.
    func settleState(at: [Range<Int>], in parameters: inout MutableSpan<Float>)

    /// What `derive` fills.
    func makeDerived() -> DerivedValues
    /// Works out what depends on the parameters alone.
    func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues)

    /// Shapes of the work matrices for a batch.
    func scratchShapes(batch: Int) -> [MatrixShape]
    /// y ← S(x).
    func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView)
    /// Writes the gradients of the blocks, and dx ← ∂L/∂x, from g = ∂L/∂y of the last `forward`.
    func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView)
    /// y ← J·v at x; for a linear family the map itself, which is the default. A family that is not linear brings its own.
    func jvp(
        _ x: MatrixView, _ v: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], into y: inout MutableMatrixView)

    /// What is proven of the Jacobian's singular values, rounding allowed for.
    func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    /// The singular values in closed form, descending, where they are known.
    func analyticSpectrum(parameters: Span<Float>, at: [Range<Int>]) -> [Double]?
}

extension PathFamily {
    public static var takesRectangular: Bool { false }
    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {}
    public func settleState(at: [Range<Int>], in parameters: inout MutableSpan<Float>) {}
    public func makeDerived() -> DerivedValues { DerivedValues() }
    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {}
    public func scratchShapes(batch: Int) -> [MatrixShape] { [] }
    public func analyticSpectrum(parameters: Span<Float>, at: [Range<Int>]) -> [Double]? { nil }

    public func jvp(
        _ x: MatrixView, _ v: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], into y: inout MutableMatrixView
    ) {
        forward(v, parameters: parameters, at: at, derived: derived, scratch: &scratch, into: &y)
    }
}
