import LinearAlgebra

/// The largest singular value of a factor and its gradient, from the float64 eigenvalues of a Gram matrix.
///
/// Only the vector on one side of the factor is kept, the side on which the Gram matrix is made; the other follows by one product.
enum TopSingularVector {
    /// The side of a matrix A [rows, columns]: AᵀA has the size of the columns, A·Aᵀ that of the rows.
    enum Side { case columns, rows }

    /// σ₁; its vector on `side` goes into `vector`, a row. NaN when the matrix is not finite. O(size²·(size + length)).
    static func measure(_ a: MatrixView, side: Side, into vector: inout Matrix) -> Double {
        let gram = side == .columns ? DoubleMatrix(a).columnGram() : DoubleMatrix(a).rowGram()
        guard let (values, vectors) = try? LAPACK.symmetricEigenvectors(gram), let largest = values.last else { return .nan }
        for index in 0..<vector.columns { vector[0, index] = Float(vectors[values.count - 1, index]) }
        return max(0, largest).squareRoot()
    }

    /// gradient ← gradient + weight·∂σ₁/∂A, where σ₁ = `norm` and its vector on `side` is known. O(rows·columns).
    static func addGradient(
        weight: Double, norm: Double, side: Side, vector: Matrix, of a: MatrixView, to gradient: inout MutableSpan<Float>
    ) {
        guard norm > 0 else { return }
        let (v, elements) = (vector.span, a.elements)
        // ∂σ/∂A = u·vᵀ for the top pair, and the one that is not kept is A·v/σ or Aᵀ·u/σ.
        switch side {
        case .columns:
            for row in 0..<a.rows {
                var u = 0.0
                for k in 0..<a.columns { u += Double(elements[row * a.columns + k]) * Double(v[k]) }
                let scale = weight * u / norm
                for k in 0..<a.columns { gradient[row * a.columns + k] += Float(scale * Double(v[k])) }
            }
        case .rows:
            for column in 0..<a.columns {
                var u = 0.0
                for k in 0..<a.rows { u += Double(elements[k * a.columns + column]) * Double(v[k]) }
                let scale = weight * u / norm
                for k in 0..<a.rows { gradient[k * a.columns + column] += Float(scale * Double(v[k])) }
            }
        }
    }
}
