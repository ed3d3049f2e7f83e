/// A linear map known by what it does to vectors: weights, Jacobians and Hessians are operators, and every spectral algorithm is
/// written once, against this.
public protocol LinearOperator {
    /// Length of what `apply` makes.
    var rows: Int { get }
    /// Length of what `apply` takes.
    var columns: Int { get }

    /// y ← A·x. `x: [columns]`, `y: [rows]`. May block its thread up to a deadline of its own.
    func apply(_ x: Span<Float>, into y: inout MutableSpan<Float>) throws
    /// y ← Aᵀ·x. `x: [rows]`, `y: [columns]`.
    func applyTransposed(_ x: Span<Float>, into y: inout MutableSpan<Float>) throws
}

/// A matrix as an operator.
public struct MatrixOperator: LinearOperator {
    public let matrix: Matrix

    public init(_ matrix: Matrix) { self.matrix = matrix }

    public var rows: Int { matrix.rows }
    public var columns: Int { matrix.columns }

    public func apply(_ x: Span<Float>, into y: inout MutableSpan<Float>) { BLAS.gemv(matrix.view, x, into: &y) }

    public func applyTransposed(_ x: Span<Float>, into y: inout MutableSpan<Float>) {
        BLAS.gemv(matrix.view, transposed: true, x, into: &y)
    }
}
