/// Where blocks of one size lie in a span: element (i, j) of block b at b·blockStride + i·rowStride + j.
///
/// A permutation of rows between two products costs nothing when it is the layout in which the first one writes.
public struct BlockLayout: Hashable, Sendable {
    public let count: Int
    /// Rows and columns of one block.
    public let rows: Int
    public let columns: Int
    let blockStride: Int
    let rowStride: Int

    /// Block after block: [count, rows, columns].
    public static func consecutive(count: Int, rows: Int, columns: Int) -> BlockLayout {
        BlockLayout(count: count, rows: rows, columns: columns, blockStride: rows * columns, rowStride: columns)
    }

    /// The first row of every block, then the second row of every block: [rows, count, columns].
    public static func interleaved(count: Int, rows: Int, columns: Int) -> BlockLayout {
        BlockLayout(count: count, rows: rows, columns: columns, blockStride: columns, rowStride: count * columns)
    }

    /// One block that stands for all of them: [rows, columns].
    public static func repeated(count: Int, rows: Int, columns: Int) -> BlockLayout {
        BlockLayout(count: count, rows: rows, columns: columns, blockStride: 0, rowStride: columns)
    }

    private init(count: Int, rows: Int, columns: Int, blockStride: Int, rowStride: Int) {
        precondition(count >= 1 && rows >= 1 && columns >= 1, "there is a block, and it has elements")
        (self.count, self.rows, self.columns, self.blockStride, self.rowStride) = (count, rows, columns, blockStride, rowStride)
    }

    var isRepeated: Bool { blockStride == 0 }

    /// Elements of the span.
    public var elementCount: Int { (isRepeated ? 1 : count) * rows * columns }
}

/// Borrowed blocks of one size.
public struct BlockView: ~Escapable, Copyable {
    public let elements: Span<Float>
    public let layout: BlockLayout

    /// Looks at `elements` as blocks. `elements.count` must be `layout.elementCount`.
    @_lifetime(copy elements)
    public init(_ elements: Span<Float>, _ layout: BlockLayout) {
        precondition(elements.count == layout.elementCount, "a view needs as many elements as its layout")
        self.elements = elements
        self.layout = layout
    }
}

/// Borrowed blocks of one size that may be written.
public struct MutableBlockView: ~Escapable, ~Copyable {
    public var elements: MutableSpan<Float>
    public let layout: BlockLayout

    /// Takes `elements` as blocks. `elements.count` must be `layout.elementCount`.
    @_lifetime(copy elements)
    public init(_ elements: consuming MutableSpan<Float>, _ layout: BlockLayout) {
        precondition(elements.count == layout.elementCount, "a view needs as many elements as its layout")
        self.layout = layout
        self.elements = elements
    }
}
