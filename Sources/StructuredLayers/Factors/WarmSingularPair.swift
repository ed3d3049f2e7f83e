import LinearAlgebra

/// σ₁ of a trained matrix W [rows, columns] with its vectors u and v, by a power iteration that goes on from version to version.
///
/// The right vector is a block of state. A version takes one step from it: u = W·v/‖W·v‖, then v ← Wᵀ·u/‖Wᵀ·u‖ and σ = uᵀ·W·v = ‖Wᵀ·u‖;
/// its v is where the next version starts (Miyato et al., 2018). σ ≤ σ₁ always, and close to it as long as W moves slowly: a lower bound,
/// so no certificate rests on it. Two products of a matrix and a vector: 4·rows·columns operations a version.
struct WarmSingularPair: Sendable {
    let rows: Int
    let columns: Int
    /// Steps when a network is new; a Gaussian matrix of 256 × 256 has 0.998 of its norm after thirty.
    private static let settlingSteps = 30

    /// The block of state: v.
    var block: BlockDeclaration { BlockDeclaration("singular-vector", shape: [columns], role: .state, decays: false) }

    /// A random direction, which is not orthogonal to the one that is sought.
    func initialise(generator: CounterRNG, into v: inout MutableSpan<Float>) {
        generator.fillNormal(&v, standardDeviation: 1)
        _ = Self.normalise(&v)
    }

    /// Takes steps with the W of `parameters` until the block is near rest.
    func settle(weight: Range<Int>, state: Range<Int>, in parameters: inout MutableSpan<Float>) {
        var derived = makeDerived()
        for _ in 0..<Self.settlingSteps {
            derive(parameters.span, weight: weight, state: state, into: &derived)
            writeNext(derived, into: parameters.part(state))
        }
    }

    /// u and v as rows; σ.
    func makeDerived() -> DerivedValues {
        DerivedValues(shapes: [MatrixShape(1, rows), MatrixShape(1, columns)], scalars: 1)
    }

    /// One step from the state. W = 0 has σ = 0 and leaves the state as it is.
    func derive(_ parameters: Span<Float>, weight: Range<Int>, state: Range<Int>, into derived: inout DerivedValues) {
        let w = MatrixView(parameters.extracting(weight), rows: rows, columns: columns)
        do {
            var u = derived.matrices[0].mutableSpan
            BLAS.gemv(w, parameters.extracting(state), into: &u)
            _ = Self.normalise(&u)
        }
        let u = derived.matrices[0]
        var v = derived.matrices[1].mutableSpan
        BLAS.gemv(w, transposed: true, u.span, into: &v)
        let norm = Self.normalise(&v)
        if norm == 0 { VectorKernels.copy(parameters.extracting(state), into: &v) }
        derived.scalars[0] = norm
    }

    /// target ← weight·u·vᵀ, the gradient of weight·σ with respect to W; dσ = uᵀ·dW·v where the pair is at rest.
    func writeGradient(weight: Double, _ derived: DerivedValues, into target: inout MutableMatrixView) {
        let (u, v) = (derived.matrices[0], derived.matrices[1])
        for row in 0..<rows {
            var part = target.elements.part(row * columns..<(row + 1) * columns)
            VectorKernels.copy(v.span, into: &part)
            VectorKernels.scale(&part, by: Float(weight * Double(u[0, row])))
        }
    }

    /// The state of the next version, where the gradient of a parameter would go.
    func writeNext(_ derived: DerivedValues, into state: consuming MutableSpan<Float>) {
        let v = derived.matrices[1]
        VectorKernels.copy(v.span, into: &state)
    }

    /// x ← x/‖x‖; returns ‖x‖, as 0 where its inverse is no float.
    private static func normalise(_ x: inout MutableSpan<Float>) -> Double {
        let norm = VectorKernels.sumOfSquares(x.span).squareRoot()
        if norm < Double(Float.leastNormalMagnitude) { return 0 }
        VectorKernels.scale(&x, by: Float(1 / norm))
        return norm
    }
}
