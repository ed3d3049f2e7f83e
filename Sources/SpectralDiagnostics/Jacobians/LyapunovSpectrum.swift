import LinearAlgebra

/// D10 of one product of matrices J_L·…·J_1, which is never formed: its Lyapunov exponents, and its extreme singular values.
///
/// With Q_0 of random orthonormal columns and J_l·Q_{l−1} = Q_l·R_l, λ_i = (1/L)·Σ_l ln|(R_l)_ii| (Benettin et al., 1980). For small L the
/// exponents are not yet the logarithms of singular values. The extreme singular values are those of R_L·…·R_1 = D·U, where D is
/// diagonal and kept as logarithms, U is unit triangular and stays near 1: σ₁ = σ₁(D·U) and 1/σ_min = σ₁(U⁻¹·D⁻¹), in float64.
///
/// Where a J_l·Q_{l−1} has columns that depend on the ones before them to within n·ε of the largest, the product has lost rank: such
/// columns are dropped, and their exponents are −∞.
///
/// L QRs of [n, k] in float32 and as many products of k × k in float64. Oracles: products of Gaussian matrices, where
/// λ_i = ½·(ln(2/n) + ψ((n − i)/2)), i from 0 (Newman, 1986); SciPy on products in high precision.
public struct LyapunovSpectrum: Sendable {
    /// The exponents in nats a layer, descending, of the columns that are left.
    public private(set) var exponents: [Double] = []
    /// k, the exponents asked for; those beyond `exponents` are −∞.
    public let count: Int
    /// log₁₀ σ₁ of the product restricted to k random directions; of the product itself when k = n.
    public private(set) var largestDecades: Measured
    /// log₁₀ σ_min of the product.
    public private(set) var smallestDecades: Measured
    /// Why there are no numbers at all; nil when there are.
    public private(set) var failure: String?

    /// Examines a product.
    ///
    /// - Parameters:
    ///   - layers: L.
    ///   - inputs: n, the columns of J_1.
    ///   - count: k, at most n and at most the rows of every J_l.
    ///   - apply: J_l·Q for l = 0 ..< L and Q [columns of J_l, at most k].
    public init(layers: Int, inputs: Int, count: Int, apply: (Int, Matrix) -> Matrix) {
        precondition(layers >= 1 && count >= 1 && count <= inputs, "a product of matrices and some of its directions")
        self.count = count
        (largestDecades, smallestDecades) = (.unavailable("not computed"), .unavailable("not computed"))
        do throws(LAPACKError) {
            var product = try TriangularProduct(inputs: inputs, count: count)
            for layer in 0..<layers {
                if product.rank == 0 { break }
                try product.multiply(apply(layer, product.q))
            }
            read(product, layers: layers, isWhole: inputs == count)
        } catch {
            let reason = "a layer's Jacobian is not finite"
            (failure, largestDecades, smallestDecades) = (reason, .unavailable(reason), .unavailable(reason))
        }
    }

    private mutating func read(_ product: TriangularProduct, layers: Int, isWhole: Bool) {
        exponents = product.logarithms.map { $0 / Double(layers) }.sorted(by: >)
        guard product.rank > 0 else {
            largestDecades = .unavailable("the Jacobian is zero")
            smallestDecades = .unavailable("the Jacobian is zero")
            return
        }
        func decades(_ logarithm: Double?) -> Measured {
            guard let logarithm, logarithm.isFinite else { return .unavailable("rounding hides what is left of the product") }
            return .value(logarithm / ScalarMath.log(10))
        }
        largestDecades = decades(product.largestLogarithm())
        if !isWhole {
            smallestDecades = .unavailable("only the \(count) largest directions are followed")
        } else if product.rank < count {
            smallestDecades = .unavailable("the Jacobian has lost rank: \(product.rank) of \(count) directions are left")
        } else {
            smallestDecades = decades(product.smallestLogarithm())
        }
    }
}
