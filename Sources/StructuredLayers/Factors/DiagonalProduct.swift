import LinearAlgebra

/// diag(d) as an [m, n] matrix with d.count = min(m, n), row by row.
enum DiagonalProduct {
    /// y ← diag(d)·x. `x`: [n, batch], `y`: [m, batch]; the rows of y beyond d become zero.
    static func apply(_ d: Span<Float>, _ x: MatrixView, into y: inout MutableMatrixView) {
        let batch = x.columns
        for row in 0..<d.count {
            let range = row * batch..<(row + 1) * batch
            var target = y.elements.part(range)
            VectorKernels.copy(x.elements.extracting(range), into: &target)
            VectorKernels.scale(&target, by: d[row])
        }
        var rest = y.elements.part(d.count * batch..<y.elements.count)
        VectorKernels.fill(&rest, with: 0)
    }

    /// dd[i] ← Σ_b g[i, b]·x[i, b], from g = ∂L/∂y, in float64 until the end.
    static func gradient(_ x: MatrixView, gradient g: MatrixView, into dd: inout MutableSpan<Float>) {
        let batch = x.columns
        for row in 0..<dd.count {
            let range = row * batch..<(row + 1) * batch
            dd[row] = Float(VectorKernels.dot(g.elements.extracting(range), x.elements.extracting(range)))
        }
    }
}
