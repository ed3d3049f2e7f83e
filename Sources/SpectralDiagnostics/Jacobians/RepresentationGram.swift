import LinearAlgebra

/// The inner products of centred representations, [N, N], and what they say: D22 of one level, D23 of two.
public struct RepresentationGram: Sendable {
    private let products: DoubleMatrix
    /// Why there is nothing to be said; nil when there is.
    private let failure: String?

    /// - Parameter x: [units, N], a column an example. O(units·N²).
    public init(_ x: DoubleMatrix) {
        var centred = x
        for unit in 0..<x.rows {
            let mean = (0..<x.columns).reduce(0) { $0 + x[unit, $1] } / Double(max(1, x.columns))
            for example in 0..<x.columns { centred[unit, example] -= mean }
        }
        products = centred.columnGram()
        // Rounding leaves of equal columns about (ε·‖x‖)².
        let (spread, size) = (Self.trace(products), x.elements.reduce(0) { $0 + $1 * $1 })
        failure =
            if x.columns < 2 { "two examples are needed" } else if !products.elements.allSatisfy(\.isFinite) {
                "the representations are not finite"
            } else if spread <= 1e-24 * size || spread == 0 { "all examples have the same representation" } else { nil }
    }

    private static func trace(_ a: DoubleMatrix) -> Double { (0..<a.rows).reduce(0) { $0 + a[$1, $1] } }

    private func measured(_ make: ([Double]) -> Double) -> Measured {
        if let failure { return .unavailable(failure) }
        guard let values = try? LAPACK.symmetricEigenvalues(products) else {
            return .unavailable("the eigenvalues did not converge")
        }
        let sum = values.reduce(0) { $0 + max(0, $1) }
        return .value(make(values.map { max(0, $0) / sum }))
    }

    /// exp(−Σ p ln p) of the covariance's eigenvalues, p their shares.
    public var effectiveRank: Measured {
        measured { shares in ScalarMath.exp(-shares.reduce(0) { $1 > 0 ? $0 + $1 * ScalarMath.log($1) : $0 }) }
    }

    /// 1/Σ p².
    public var participationRatio: Measured { measured { shares in 1 / shares.reduce(0) { $0 + $1 * $1 } } }

    /// Linear CKA with representations of the same examples.
    public func alignment(_ other: RepresentationGram) -> Measured {
        if let reason = failure ?? other.failure { return .unavailable(reason) }
        precondition(products.rows == other.products.rows, "representations of the same examples")
        func inner(_ a: DoubleMatrix, _ b: DoubleMatrix) -> Double {
            zip(a.elements, b.elements).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let size = inner(products, products).squareRoot() * inner(other.products, other.products).squareRoot()
        let value = inner(products, other.products) / size
        return value.isFinite ? .value(min(1, value)) : .unavailable("the representations are too large or too small for float64")
    }
}
