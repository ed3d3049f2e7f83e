/// An owned matrix of float32: `rows × columns`, row-major, on a 64-byte boundary, zeroed when made; a value, copied on write.
public struct Matrix: Sendable {
    private var storage: AlignedVector
    public let rows: Int
    public let columns: Int

    /// Zeros. O(rows · columns).
    public init(rows: Int, columns: Int) {
        precondition(rows >= 0 && columns >= 0, "a matrix cannot have fewer than zero rows or columns")
        storage = AlignedVector(count: rows * columns)
        self.rows = rows
        self.columns = columns
    }

    /// A matrix of the given elements, row after row; `elements.count` must be `rows * columns`.
    public init(rows: Int, columns: Int, elements: [Float]) {
        precondition(elements.count == rows * columns, "a matrix needs rows × columns elements")
        storage = AlignedVector(elements.span)
        self.rows = rows
        self.columns = columns
    }

    /// A copy of what `view` looks at.
    public init(_ view: MatrixView) {
        storage = AlignedVector(view.elements)
        rows = view.rows
        columns = view.columns
    }

    public var span: Span<Float> {
        @_lifetime(borrow self)
        get { storage.span }
    }

    public var mutableSpan: MutableSpan<Float> {
        @_lifetime(&self)
        mutating get { storage.mutableSpan }
    }

    public var view: MatrixView {
        @_lifetime(borrow self)
        get { MatrixView(storage.span, rows: rows, columns: columns) }
    }

    public var mutableView: MutableMatrixView {
        @_lifetime(&self)
        mutating get {
            let (rows, columns) = (rows, columns)
            return MutableMatrixView(storage.mutableSpan, rows: rows, columns: columns)
        }
    }

    public subscript(row: Int, column: Int) -> Float {
        get {
            precondition(row >= 0 && row < rows && column >= 0 && column < columns, "index outside the matrix")
            return storage.span[row * columns + column]
        }
        set {
            precondition(row >= 0 && row < rows && column >= 0 && column < columns, "index outside the matrix")
            let index = row * columns + column
            var elements = storage.mutableSpan
            elements[index] = newValue
        }
    }
}
