import LinearAlgebra

/// D1 of a large or implicit matrix A: its largest singular values by Golub and Kahan's bidiagonalisation, each with its residual.
///
/// k steps from a random start, with every new vector orthogonalised twice against all before it: A·V = U·B, Aᵀ·U = V·Bᵀ + β_k·v·e_kᵀ.
/// For a singular triple (θ, p, q) of B the residual is β_k·|e_kᵀp|: A has a singular value within it of θ. Values that A has more than
/// once are seen once. Tier T1; 2k products and O(k²·(m + n)). Oracle: LAPACK's gesdd.
public struct GolubKahan: Sendable {
    /// Descending.
    public let values: [Double]
    /// One for each value; √max(m, n)·ε₃₂·θ₁, for what the float32 products err, is counted in.
    public let residuals: [Double]

    /// - Parameters:
    ///   - steps: k; fewer are taken where the matrix is smaller or the Krylov space is exhausted.
    ///   - generator: of the start.
    /// - Throws: what the operator throws; `LAPACKError` when a product is not finite.
    public init(of a: some LinearOperator, steps: Int, generator: CounterRNG = CounterRNG(seed: 0, purpose: "golub-kahan")) throws {
        var basis = Bidiagonalisation(a, generator: generator)
        let limit = min(steps, a.rows, a.columns)
        while basis.diagonal.count < limit, try basis.advance(a) {}
        basis.closeIfComplete(rows: a.rows)
        (values, residuals) = try basis.ritzValues(floor: Double(max(a.rows, a.columns)).squareRoot() * Double(Float.ulpOfOne))
    }
}

private struct Bidiagonalisation {
    private(set) var diagonal: [Double] = []
    private var offDiagonal: [Double] = []
    private var left: [AlignedVector] = []
    private var right: [AlignedVector] = []
    /// Whether the next diagonal element is 0: then B with one more column has the values of A on this space, and no residual.
    private var isClosed = false

    init(_ a: some LinearOperator, generator: CounterRNG) {
        var start = AlignedVector(count: a.columns)
        do {
            var elements = start.mutableSpan
            generator.fillNormal(&elements, standardDeviation: 1)
            _ = Self.normalise(&elements)
        }
        right = [start]
    }

    /// One more column of B; false when there is none, as A maps the rest of the space to 0.
    mutating func advance(_ a: some LinearOperator) throws -> Bool {
        var u = AlignedVector(count: a.rows)
        var v = AlignedVector(count: a.columns)
        let direction = right[right.count - 1]
        do {
            var elements = u.mutableSpan
            try a.apply(direction.span, into: &elements)
            Self.orthogonalise(&elements, against: left)
            let alpha = Self.normalise(&elements)
            if isNegligible(alpha) {
                isClosed = true
                return false
            }
            diagonal.append(alpha)
        }
        left.append(u)
        var elements = v.mutableSpan
        try a.applyTransposed(u.span, into: &elements)
        Self.orthogonalise(&elements, against: right)
        let beta = Self.normalise(&elements)
        offDiagonal.append(isNegligible(beta) ? 0 : beta)
        right.append(v)
        return offDiagonal[offDiagonal.count - 1] > 0
    }

    /// What is left of a vector after orthogonalisation when only rounding is: its direction means nothing.
    private func isNegligible(_ norm: Double) -> Bool {
        let scale = max(diagonal.max() ?? 0, offDiagonal.max() ?? 0)
        return norm <= 4 * Double(Float.ulpOfOne) * scale || norm == 0
    }

    /// The left vectors span everything, so nothing can follow.
    mutating func closeIfComplete(rows: Int) { isClosed = isClosed || diagonal.count == rows }

    func ritzValues(floor: Double) throws -> (values: [Double], residuals: [Double]) {
        let k = diagonal.count
        if k == 0 { return ([0], [0]) }
        var b = DoubleMatrix(rows: k, columns: isClosed ? k + 1 : k)
        for i in 0..<k {
            b[i, i] = diagonal[i]
            if i + 1 < b.columns { b[i, i + 1] = offDiagonal[i] }
        }
        let (u, values, _) = try LAPACK.singularValueDecomposition(b)
        let last = isClosed ? 0 : offDiagonal[k - 1]
        return (values, (0..<k).map { last * abs(u[k - 1, $0]) + floor * values[0] })
    }

    /// Twice (Daniel, Gragg, Kaufman and Stewart, 1976), in the order of the basis.
    private static func orthogonalise(_ x: inout MutableSpan<Float>, against basis: [AlignedVector]) {
        for _ in 0..<2 {
            for vector in basis { VectorKernels.axpy(Float(-VectorKernels.dot(vector.span, x.span)), vector.span, into: &x) }
        }
    }

    private static func normalise(_ x: inout MutableSpan<Float>) -> Double {
        let norm = VectorKernels.sumOfSquares(x.span).squareRoot()
        if norm > Double(Float.leastNormalMagnitude) { VectorKernels.scale(&x, by: Float(1 / norm)) }
        return norm
    }
}
