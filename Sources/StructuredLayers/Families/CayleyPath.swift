import LinearAlgebra

/// x ↦ Q·x with Q = (I + A)⁻¹·(I − A), A = S − Sᵀ: orthogonal with determinant 1, without −1 among its eigenvalues, for all S.
///
/// I + A always has an inverse: its singular values are √(1 + ω²) ≥ 1. Since Q = 2(I + A)⁻¹ − I, no inverse is formed: a version is one
/// LU factorisation, ⅔n³ operations, and an example costs two triangular solves, 2n². Gradients fade where ‖A‖ ≫ 1.
/// (Cayley, 1846; Helfrich, Willmott and Ye, 2018.)
public struct CayleyPath: PathFamily {
    /// How S begins.
    public enum Init: String, CaseIterable, Sendable {
        /// Q = I.
        case zero
        /// Q turns each pair of neighbouring units by an angle between −π/2 and π/2, uniformly distributed.
        case rotations
    }

    let triangle: SkewTriangle
    let start: Init

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        triangle = try SkewTriangle(context: context, family: "cayley")
        start = try options.choice("init", default: Init.zero)
    }

    public var blocks: [BlockDeclaration] { [triangle.block()] }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        if start == .zero { return }
        for first in stride(from: 0, to: triangle.width - 1, by: 2) {
            // The block (0, s; −s, 0) of A turns by −θ for s = tan(θ/2); θ/2 is a uniform part of a turn, up to an eighth either way.
            let (cosine, sine) = ScalarMath.cosineAndSine(turns: (generator.uniform(UInt64(first)) - 0.5) / 4)
            values[triangle.start(of: first)] = Float(sine / cosine)
        }
    }

    /// The factors of I + A; its pivots.
    public func makeDerived() -> DerivedValues {
        DerivedValues(shapes: [MatrixShape(triangle.width, triangle.width)], indices: triangle.width)
    }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        // Out of the value for as long as the pivots are written beside it.
        var matrix = derived.matrices.removeLast()
        do {
            var factors = matrix.mutableView
            triangle.expand(parameters.extracting(at[0]), diagonal: 1, into: &factors)
            var pivots = derived.indices.mutableSpan
            // It fails where S is not finite; the outputs then are no numbers either.
            do { try LAPACK.factorise(&factors, pivots: &pivots) } catch { VectorKernels.fill(&factors.elements, with: .nan) }
        }
        derived.matrices.append(matrix)
    }

    /// p = (I + A)⁻¹·x; r = (I + A)⁻ᵀ·g; a panel of the gradient.
    public func scratchShapes(batch: Int) -> [MatrixShape] {
        [MatrixShape(triangle.width, batch), MatrixShape(triangle.width, batch), triangle.panelShape]
    }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        var p = scratch[0].mutableView
        solve(x, transposed: false, derived, solution: &p, reflected: &y)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        do {
            var r = scratch[1].mutableView
            solve(g, transposed: true, derived, solution: &r, reflected: &dx)
        }
        // ∂L/∂A = −(I + A)⁻ᵀ·Ĝ·(I + Q)ᵀ with Ĝ = g·xᵀ and I + Q = 2(I + A)⁻¹: it is −2·r·pᵀ.
        let (p, r) = (scratch[0], scratch[1])
        var ds = blockGradients.part(at[0])
        triangle.writeGradient(factor: -2, r.view, p.view, panel: &scratch[2], into: &ds)
    }

    /// solution ← op(I + A)⁻¹·x and reflected ← 2·solution − x, which is op(Q)·x.
    private func solve(
        _ x: MatrixView, transposed: Bool, _ derived: DerivedValues, solution: inout MutableMatrixView,
        reflected: inout MutableMatrixView
    ) {
        let (factors, pivots) = (derived.matrices[0], derived.indices)
        VectorKernels.copy(x.elements, into: &solution.elements)
        LAPACK.solve(
            factors: factors.view, pivots: pivots.span, transposed: transposed, rightHandSides: &solution)
        VectorKernels.copy(solution.view.elements, into: &reflected.elements)
        VectorKernels.scale(&reflected.elements, by: 2)
        VectorKernels.subtract(x.elements, from: &reflected.elements)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        // Orthogonal in exact arithmetic. What the factors make of it in float32 is measured: σ² ∈ [1 − δ, 1 + δ] with δ = ‖QᵀQ − I‖_F in
        // float64. Every column of Q adds its own error to δ, while a single x meets one.
        let n = triangle.width
        var (q, p, identity) = (Matrix(rows: n, columns: n), Matrix(rows: n, columns: n), Matrix(rows: n, columns: n))
        for unit in 0..<n { identity[unit, unit] = 1 }
        do {
            var solution = p.mutableView
            var map = q.mutableView
            solve(identity.view, transposed: false, derived, solution: &solution, reflected: &map)
        }
        let gram = DoubleMatrix(q.view).smallerGram()
        var sum = 0.0
        for row in 0..<n {
            for column in 0..<n {
                let residual = gram[row, column] - (row == column ? 1 : 0)
                sum += residual * residual
            }
        }
        if sum.isNaN { throw .notFinite(routine: "getrf") }
        let residual = sum.squareRoot()
        return SpectralBounds(lower: max(0, 1 - residual).squareRoot(), upper: (1 + residual).squareRoot()).widened(width: n)
    }

    public func analyticSpectrum(parameters: Span<Float>, at: [Range<Int>]) -> [Double]? {
        Array(repeating: 1, count: triangle.width)
    }
}
