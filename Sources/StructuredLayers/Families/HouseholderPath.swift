import LinearAlgebra

/// x ↦ Q·P·x: P a fixed signed permutation, Q = H₁⋯H_k a product of k trained Householder reflections, so orthogonal for all
/// parameters.
///
/// Compact WY form (Schreiber and Van Loan, 1989; Joffrain et al., 2006): Q = I − Vᵀ·M⁻¹·V with the reflectors as rows of V [k, n] and
/// M = striu(V·Vᵀ) + ½·diag(V·Vᵀ): two products and a triangular solve, 4nk + k² operations an example.
/// k reflections move k dimensions; P, which costs a copy, lets layers mix all of them. k ≥ n/8 is advised. With `trained: false` the
/// reflectors stay as they were drawn: a fixed random orthogonal map.
public struct HouseholderPath: PathFamily {
    let width: Int
    let reflectors: Int
    let isTrained: Bool
    /// Row i of P·x is sign[i]·x[source[i]].
    let source: [Int32]
    let sign: [Float]

    public init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        width = try context.squareWidth(of: "householder")
        reflectors = try options.integer("reflectors", default: max(1, width / 8), in: 1...width, meaning: "the width")
        isTrained = try options.flag("trained", default: true)
        if try options.flag("mixing", default: true) {
            source = CounterRNG(seed: 0, purpose: "householder-permutation", index: UInt64(context.index)).permutation(count: width)
            let coins = CounterRNG(seed: 0, purpose: "householder-signs", index: UInt64(context.index))
            sign = (0..<width).map { coins.bits(UInt64($0)) & 1 == 0 ? 1 : -1 }
        } else {
            source = (0..<Int32(width)).map { $0 }
            sign = Array(repeating: 1, count: width)
        }
    }

    public var blocks: [BlockDeclaration] {
        [BlockDeclaration("reflectors", shape: [reflectors, width], granule: width, decays: false)]
    }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        generator.fillNormal(&values, standardDeviation: 1 / Float(width).squareRoot())
    }

    /// M.
    public func makeDerived() -> DerivedValues { DerivedValues(shapes: [MatrixShape(reflectors, reflectors)]) }

    public func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        let v = MatrixView(parameters.extracting(at[0]), rows: reflectors, columns: width)
        var m = derived.matrices[0].mutableView
        BLAS.gemm(v, v, transposeB: true, into: &m)
        for i in 0..<reflectors {
            for j in 0..<i { m.elements[i * reflectors + j] = 0 }
            m.elements[i * reflectors + i] *= 0.5
        }
    }

    /// P·x; U = M⁻¹·V·P·x; Q̂ = M⁻ᵀ·V·g; D, then C [k, k]; the gradient wrt P·x.
    public func scratchShapes(batch: Int) -> [MatrixShape] {
        [
            MatrixShape(width, batch), MatrixShape(reflectors, batch), MatrixShape(reflectors, batch),
            MatrixShape(reflectors, reflectors), MatrixShape(width, batch),
        ]
    }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        let v = MatrixView(parameters.extracting(at[0]), rows: reflectors, columns: width)
        do {
            var permuted = scratch[0].mutableView
            permute(x, into: &permuted)
        }
        let (permuted, m) = (scratch[0], derived.matrices[0])
        do {
            var u = scratch[1].mutableView
            BLAS.gemm(v, permuted.view, into: &u)
            BLAS.solveTriangular(m.view, uplo: .upper, rightHandSides: &u)
        }
        let u = scratch[1]
        VectorKernels.copy(permuted.span, into: &y.elements)
        BLAS.gemm(v, transposeA: true, u.view, alpha: -1, beta: 1, into: &y)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let v = MatrixView(parameters.extracting(at[0]), rows: reflectors, columns: width)
        let (permuted, u, m) = (scratch[0], scratch[1], derived.matrices[0])
        do {
            var q = scratch[2].mutableView
            BLAS.gemm(v, g, into: &q)
            BLAS.solveTriangular(m.view, uplo: .upper, transposed: true, rightHandSides: &q)
        }
        let q = scratch[2]
        do {
            var c = scratch[3].mutableView
            BLAS.gemm(q.view, u.view, transposeB: true, into: &c)
            symmetrise(&c)
        }
        let c = scratch[3]
        // ∂L/∂V = −U·gᵀ − Q̂·(P·x)ᵀ + C·V, C = striu D + (striu D)ᵀ + diag D, D = Q̂·Uᵀ.
        var dv = MutableMatrixView(blockGradients.part(at[0]), rows: reflectors, columns: width)
        BLAS.gemm(c.view, v, into: &dv)
        BLAS.gemm(u.view, g, transposeB: true, alpha: -1, beta: 1, into: &dv)
        BLAS.gemm(q.view, permuted.view, transposeB: true, alpha: -1, beta: 1, into: &dv)
        if !isTrained { VectorKernels.fill(&dv.elements, with: 0) }
        // ∂L/∂(P·x) = g − Vᵀ·Q̂.
        var dp = scratch[4].mutableView
        VectorKernels.copy(g.elements, into: &dp.elements)
        BLAS.gemm(v, transposeA: true, q.view, alpha: -1, beta: 1, into: &dp)
        permuteBack(dp.view, into: &dx)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        // Orthogonal in exact arithmetic. In float32 the solve with M loses cond(M)·ε; M is k × k, so its condition number is had exactly.
        let m = derived.matrices[0]
        let values = try LAPACK.singularValues(m.view)
        guard let largest = values.first, let smallest = values.last, smallest > 0 else {
            return SpectralBounds(lower: 0, upper: .infinity)
        }
        let slack = Double(largest / smallest) * Double(Float.ulpOfOne) * 4 * Double(reflectors).squareRoot()
        return SpectralBounds(lower: max(0, 1 - slack), upper: 1 + slack).widened(width: width)
    }

    public func analyticSpectrum(parameters: Span<Float>, at: [Range<Int>]) -> [Double]? { Array(repeating: 1, count: width) }

    private func permute(_ x: MatrixView, into y: inout MutableMatrixView) {
        let batch = x.columns
        for row in 0..<width {
            let from = Int(source[row]) * batch
            var target = y.elements.part(row * batch..<(row + 1) * batch)
            VectorKernels.copy(x.elements.extracting(from..<from + batch), into: &target)
            if sign[row] < 0 { VectorKernels.scale(&target, by: -1) }
        }
    }

    private func permuteBack(_ y: MatrixView, into x: inout MutableMatrixView) {
        let batch = y.columns
        for row in 0..<width {
            let to = Int(source[row]) * batch
            var target = x.elements.part(to..<to + batch)
            VectorKernels.copy(y.elements.extracting(row * batch..<(row + 1) * batch), into: &target)
            if sign[row] < 0 { VectorKernels.scale(&target, by: -1) }
        }
    }

    /// The strict upper triangle mirrored below, the diagonal as it is.
    private func symmetrise(_ d: inout MutableMatrixView) {
        for i in 0..<reflectors { for j in 0..<i { d.elements[i * reflectors + j] = d.elements[j * reflectors + i] } }
    }
}
