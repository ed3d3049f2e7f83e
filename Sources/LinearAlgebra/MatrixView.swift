/// A borrowed matrix: `rows × columns`, row-major, without gaps between rows.
///
/// A view costs nothing to make and cannot outlive the storage it looks at.
public struct MatrixView: ~Escapable, Copyable {
    /// The elements, row after row.
    public let elements: Span<Float>
    public let rows: Int
    public let columns: Int

    /// Looks at `elements` as a matrix. `elements.count` must be `rows * columns`.
    @_lifetime(copy elements)
    public init(_ elements: Span<Float>, rows: Int, columns: Int) {
        precondition(rows >= 0 && columns >= 0 && elements.count == rows * columns, "a view needs rows × columns elements")
        self.elements = elements
        self.rows = rows
        self.columns = columns
    }

    public subscript(row: Int, column: Int) -> Float {
        precondition(row >= 0 && row < rows && column >= 0 && column < columns, "index outside the matrix")
        return elements[row * columns + column]
    }
}

/// A borrowed matrix that may be written: `rows × columns`, row-major, without gaps between rows.
public struct MutableMatrixView: ~Escapable, ~Copyable {
    /// The elements, row after row.
    public var elements: MutableSpan<Float>
    public let rows: Int
    public let columns: Int

    /// Takes `elements` as a matrix. `elements.count` must be `rows * columns`.
    @_lifetime(copy elements)
    public init(_ elements: consuming MutableSpan<Float>, rows: Int, columns: Int) {
        precondition(rows >= 0 && columns >= 0 && elements.count == rows * columns, "a view needs rows × columns elements")
        self.rows = rows
        self.columns = columns
        self.elements = elements
    }

    /// The same matrix for reading.
    public var view: MatrixView {
        @_lifetime(borrow self)
        get { MatrixView(elements.span, rows: rows, columns: columns) }
    }
}
