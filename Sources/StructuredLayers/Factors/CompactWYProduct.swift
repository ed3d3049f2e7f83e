import LinearAlgebra

/// Q = H₁⋯H_k, a product of k Householder reflections of ℝⁿ, and its transpose; orthogonal whatever the reflectors are.
///
/// Compact WY form (Schreiber and Van Loan, 1989; Joffrain et al., 2006): Q = I − Vᵀ·M⁻¹·V with the reflectors as rows of V [k,
/// n] and M = striu(V·Vᵀ) + ½·diag(V·Vᵀ): two products and a triangular solve, 4nk + k² operations an example; Qᵀ has Mᵀ in place
/// of M.
struct CompactWYProduct: Sendable {
    let reflectors: Int
    let width: Int
    /// √(n/64) with scaling: where a dense layer of n units takes the rate η/n, a reflector of length 1 turns by about √n·m·η/n in one
    /// step of Adam, so m grows as √n for the same turn at every width; at 64 units it is 1.
    let learningRateMultiplier: Float

    init(reflectors: Int, width: Int, learningRateScaling: Bool) {
        (self.reflectors, self.width) = (reflectors, width)
        learningRateMultiplier = learningRateScaling ? (Float(width) / 64).squareRoot() : 1
    }

    /// The block V, whose rows are not split.
    func block(_ name: String) -> BlockDeclaration {
        BlockDeclaration(
            name, shape: [reflectors, width], granule: width, learningRateMultiplier: learningRateMultiplier, decays: false)
    }

    /// Reflectors of length about 1 in directions drawn uniformly.
    func initialise(generator: CounterRNG, into v: inout MutableSpan<Float>) {
        generator.fillNormal(&v, standardDeviation: 1 / Float(width).squareRoot())
    }

    /// Of M.
    var triangleShape: MatrixShape { MatrixShape(reflectors, reflectors) }

    /// M from V.
    func derive(_ v: Span<Float>, into triangle: inout Matrix) {
        let v = MatrixView(v, rows: reflectors, columns: width)
        var m = triangle.mutableView
        BLAS.gemm(v, v, transposeB: true, into: &m)
        for i in 0..<reflectors {
            for j in 0..<i { m.elements[i * reflectors + j] = 0 }
            m.elements[i * reflectors + i] *= 0.5
        }
    }

    /// Of `scratch[first]` and the two after it: U = M⁻¹·V·x; Q̂ = M⁻ᵀ·V·g; D, then C [k, k]. For Qᵀ with Mᵀ in place of M.
    func scratchShapes(batch: Int) -> [MatrixShape] {
        [MatrixShape(reflectors, batch), MatrixShape(reflectors, batch), triangleShape]
    }

    /// y ← Q·x, or Qᵀ·x; keeps U for `backward`. `x`, `y`: [n, batch].
    func apply(
        _ x: MatrixView, transposed: Bool = false, reflectors v: Span<Float>, triangle m: Matrix, scratch: inout [Matrix],
        first: Int, into y: inout MutableMatrixView
    ) {
        let v = MatrixView(v, rows: reflectors, columns: width)
        do {
            var u = scratch[first].mutableView
            BLAS.gemm(v, x, into: &u)
            BLAS.solveTriangular(m.view, uplo: .upper, transposed: transposed, rightHandSides: &u)
        }
        let u = scratch[first]
        VectorKernels.copy(x.elements, into: &y.elements)
        BLAS.gemm(v, transposeA: true, u.view, alpha: -1, beta: 1, into: &y)
    }

    /// From g = ∂L/∂y of the last `apply`: dV ← ∂L/∂V [k, n] and dx ← ∂L/∂x.
    func backward(
        _ x: MatrixView, gradient g: MatrixView, transposed: Bool = false, reflectors v: Span<Float>, triangle m: Matrix,
        scratch: inout [Matrix], first: Int, reflectorGradient: consuming MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let v = MatrixView(v, rows: reflectors, columns: width)
        let u = scratch[first]
        do {
            var q = scratch[first + 1].mutableView
            BLAS.gemm(v, g, into: &q)
            BLAS.solveTriangular(m.view, uplo: .upper, transposed: !transposed, rightHandSides: &q)
        }
        let q = scratch[first + 1]
        do {
            var c = scratch[first + 2].mutableView
            // ⟨g, Qᵀ·x⟩ = ⟨x, Q·g⟩: for Qᵀ the two sides change places.
            if transposed {
                BLAS.gemm(u.view, q.view, transposeB: true, into: &c)
            } else {
                BLAS.gemm(q.view, u.view, transposeB: true, into: &c)
            }
            mirrorUpperTriangle(&c)
        }
        let c = scratch[first + 2]
        // ∂L/∂V = −U·gᵀ − Q̂·xᵀ + C·V, C = striu D + (striu D)ᵀ + diag D, D = Q̂·Uᵀ.
        var dv = MutableMatrixView(reflectorGradient, rows: reflectors, columns: width)
        BLAS.gemm(c.view, v, into: &dv)
        BLAS.gemm(u.view, g, transposeB: true, alpha: -1, beta: 1, into: &dv)
        BLAS.gemm(q.view, x, transposeB: true, alpha: -1, beta: 1, into: &dv)
        // ∂L/∂x = g − Vᵀ·Q̂.
        VectorKernels.copy(g.elements, into: &dx.elements)
        BLAS.gemm(v, transposeA: true, q.view, alpha: -1, beta: 1, into: &dx)
    }

    /// How far the singular values of Q may be from 1 in float32: the solve with M loses cond(M)·ε, and M is k × k, so its
    /// condition number is had exactly. Infinite when M is singular.
    func slack(triangle m: Matrix) throws(LAPACKError) -> Double {
        let values = try LAPACK.singularValues(m.view)
        guard let largest = values.first, let smallest = values.last, smallest > 0 else { return .infinity }
        return Double(largest / smallest) * Double(Float.ulpOfOne) * 4 * Double(reflectors).squareRoot()
    }

    private func mirrorUpperTriangle(_ d: inout MutableMatrixView) {
        for i in 0..<reflectors { for j in 0..<i { d.elements[i * reflectors + j] = d.elements[j * reflectors + i] } }
    }
}
