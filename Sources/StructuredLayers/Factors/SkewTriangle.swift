import LinearAlgebra

/// A skew-symmetric matrix A = S − Sᵀ [n, n] by its n(n − 1)/2 free numbers: the strict upper triangle S, row after row.
struct SkewTriangle: Sendable {
    let width: Int
    /// Rows of the panels in which the gradient is worked out; 64 and 128 are equally fast at width 1024.
    private static let panelRows = 64
    /// Rows and columns of the tiles by which a triangle is mirrored: rows that are 4096 bytes apart share a set of eight lines of the
    /// first cache, so more than eight of them would drive each other out.
    private static let tile = 8

    /// The triangle of a square layer; refuses width 1, where a skew-symmetric matrix is zero.
    init(context: LayerContext, family: String) throws(SpecificationError) {
        width = try context.squareWidth(of: family)
        if width == 1 {
            throw SpecificationError(
                keyPath: "model.path.family", value: family, expectation: "a width of 2 or more, as the one skew number is 0")
        }
    }

    /// The block S.
    func block(learningRateMultiplier: Float = 1) -> BlockDeclaration {
        BlockDeclaration("skew", shape: [width * (width - 1) / 2], learningRateMultiplier: learningRateMultiplier)
    }

    /// The place of the element beside the diagonal in `row`.
    func start(of row: Int) -> Int { row * (2 * width - row - 1) / 2 }

    /// full ← A + diagonal·I. O(n²).
    func expand(_ triangle: Span<Float>, diagonal: Float, into full: inout MutableMatrixView) {
        let n = width
        for row in 0..<n {
            full.elements[row * n + row] = diagonal
            let count = n - 1 - row
            var above = full.elements.part(row * n + row + 1..<(row + 1) * n)
            VectorKernels.copy(triangle.extracting(start(of: row)..<start(of: row) + count), into: &above)
        }
        for rows in stride(from: 0, to: n, by: Self.tile) {
            for columns in stride(from: 0, through: rows, by: Self.tile) { mirror(rows, columns, of: &full) }
        }
    }

    /// A tile below the diagonal from the one above it.
    private func mirror(_ rows: Int, _ columns: Int, of full: inout MutableMatrixView) {
        let n = width
        for row in rows..<min(n, rows + Self.tile) {
            for column in columns..<min(row, columns + Self.tile) {
                full.elements[row * n + column] = -full.elements[column * n + row]
            }
        }
    }

    /// Of the panel that `writeGradient` works in.
    var panelShape: MatrixShape { MatrixShape(min(width, Self.panelRows), width) }

    /// target ← factor·(a·bᵀ − b·aᵀ) above the diagonal: ∂L/∂S where ∂L/∂A = factor·a·bᵀ. `a`, `b`: [n, batch].
    ///
    /// Row panels of the upper triangle alone, so no [n, n] matrix is needed and no half of one is wasted: 2n²·batch operations.
    func writeGradient(
        factor: Float, _ a: MatrixView, _ b: MatrixView, panel: inout Matrix, into target: inout MutableSpan<Float>
    ) {
        let (n, batch) = (width, a.columns)
        for first in stride(from: 0, to: n, by: Self.panelRows) {
            let (rows, columns) = (min(Self.panelRows, n - first), n - first)
            let (top, rest) = (first * batch..<(first + rows) * batch, first * batch..<n * batch)
            var all = panel.mutableSpan
            var c = MutableMatrixView(all.part(0..<rows * columns), rows: rows, columns: columns)
            BLAS.gemm(
                MatrixView(a.elements.extracting(top), rows: rows, columns: batch),
                MatrixView(b.elements.extracting(rest), rows: columns, columns: batch), transposeB: true, alpha: factor, into: &c)
            BLAS.gemm(
                MatrixView(b.elements.extracting(top), rows: rows, columns: batch),
                MatrixView(a.elements.extracting(rest), rows: columns, columns: batch), transposeB: true, alpha: -factor, beta: 1,
                into: &c)
            for row in 0..<rows {
                let from = row * columns + row + 1
                let place = start(of: first + row)
                let count = columns - 1 - row
                var part = target.part(place..<place + count)
                VectorKernels.copy(c.elements.span.extracting(from..<from + count), into: &part)
            }
        }
    }
}
