/// An owned matrix of float64: `rows × columns`, row-major; for spectra, which need the precision.
public struct DoubleMatrix: Hashable, Sendable {
    public let rows: Int
    public let columns: Int
    /// Row after row.
    public var elements: [Double]

    /// Zeros.
    public init(rows: Int, columns: Int) {
        precondition(rows >= 0 && columns >= 0, "a matrix cannot have fewer than zero rows or columns")
        self.rows = rows
        self.columns = columns
        elements = Array(repeating: 0, count: rows * columns)
    }

    /// The elements of a float32 matrix.
    public init(_ view: MatrixView) {
        self.init(rows: view.rows, columns: view.columns)
        for index in elements.indices { elements[index] = Double(view.elements[index]) }
    }

    public subscript(row: Int, column: Int) -> Double {
        get { elements[row * columns + column] }
        set { elements[row * columns + column] = newValue }
    }

    /// op(A)·op(B). O(rows·inner·columns).
    public static func product(_ a: DoubleMatrix, transposeA: Bool = false, _ b: DoubleMatrix, transposeB: Bool = false)
        -> DoubleMatrix
    {
        BLAS.product(a, transposeA, b, transposeB)
    }

    /// A·Aᵀ, [rows, rows], in float64. O(rows²·columns).
    public func rowGram() -> DoubleMatrix { BLAS.gram(self, ofColumns: false) }

    /// Aᵀ·A, [columns, columns], in float64. O(rows·columns²).
    public func columnGram() -> DoubleMatrix { BLAS.gram(self, ofColumns: true) }

    /// A·Aᵀ or Aᵀ·A, whichever is smaller, in float64. O(rows·columns·min(rows, columns)).
    public func smallerGram() -> DoubleMatrix { BLAS.gram(self, ofColumns: columns <= rows) }
}
