import LinearAlgebra

/// The part of an orthonormal basis that one chunk holds, in float32.
///
/// Vectors lie in slabs of 8, and a slab in tiles of 1,024 elements whose rows, one a vector, lie together: memory grows with the
/// basis, and a matrix–vector product of one tile stays in the cache. Inner products are float32 within a tile and float64 across
/// tiles, in the order of the tiles.
struct TiledBasis: Sendable {
    static let tile = 1024
    private static let slab = 8
    private(set) var count = 0
    private let tiles: Int
    /// By slab, then by tile; [8, 1024] each.
    private var slabs: [[Matrix]] = []

    init(elements: Int) { tiles = Self.padded(elements) / Self.tile }

    /// `elements` rounded up to whole tiles: the length of the vectors that go in and out.
    static func padded(_ elements: Int) -> Int { (elements + tile - 1) / tile * tile }

    /// Forgets the vectors and keeps their memory.
    mutating func removeAll() { count = 0 }

    /// O(elements).
    mutating func append(_ vector: AlignedVector) {
        precondition(vector.count == tiles * Self.tile, "a vector of whole tiles")
        let (slab, row, size) = (count / Self.slab, count % Self.slab * Self.tile, Self.tile)
        if slab == slabs.count { slabs.append((0..<tiles).map { _ in Matrix(rows: Self.slab, columns: size) }) }
        for index in 0..<tiles {
            var elements = slabs[slab][index].mutableSpan
            var target = elements.part(row..<row + size)
            VectorKernels.copy(vector.span.extracting(index * size..<(index + 1) * size), into: &target)
        }
        count += 1
    }

    /// w ← w − V·c, c being of the *last* vectors; then Vᵀw of the last `products` vectors, in their order, and ‖w‖². The basis is read
    /// once: what was subtracted is still in the cache when products are taken of what is left. O(vectors · elements).
    func sweep(_ w: inout AlignedVector, subtracting coefficients: [Double], products: Int) -> [Double] {
        precondition(coefficients.count <= count && products <= count, "a coefficient a vector")
        let c = coefficients.map { Float($0) }
        var sums = Array(repeating: 0.0, count: products + 1)
        var partial = AlignedVector(count: products)
        var all = w.mutableSpan
        var y = partial.mutableSpan
        for index in 0..<tiles {
            var part = all.part(index * Self.tile..<(index + 1) * Self.tile)
            if !c.isEmpty { subtract(c, tile: index, from: &part) }
            if products > 0 { multiply(part.span, tile: index, into: &y) }
            for vector in 0..<products { sums[vector] += Double(y[vector]) }
            sums[products] += VectorKernels.sumOfSquares(part.span)
        }
        return sums
    }

    /// The slabs that hold the last vectors: their rows, and the places of these among those vectors.
    private func pieces(ofLast number: Int) -> [(slab: Int, rows: Range<Int>, places: Range<Int>)] {
        let first = count - number
        return (first / Self.slab..<(count + Self.slab - 1) / Self.slab).map { slab in
            let vectors = max(first, slab * Self.slab)..<min(count, (slab + 1) * Self.slab)
            let rows = vectors.lowerBound - slab * Self.slab..<vectors.upperBound - slab * Self.slab
            return (slab, rows, vectors.lowerBound - first..<vectors.upperBound - first)
        }
    }

    private func subtract(_ c: [Float], tile index: Int, from part: inout MutableSpan<Float>) {
        for (slab, rows, places) in pieces(ofLast: c.count) {
            let tile = slabs[slab][index]
            let elements = tile.span.extracting(rows.lowerBound * Self.tile..<rows.upperBound * Self.tile)
            let view = MatrixView(elements, rows: rows.count, columns: Self.tile)
            BLAS.gemv(view, transposed: true, c.span.extracting(places), alpha: -1, beta: 1, into: &part)
        }
    }

    private func multiply(_ part: Span<Float>, tile index: Int, into y: inout MutableSpan<Float>) {
        for (slab, rows, places) in pieces(ofLast: y.count) {
            let tile = slabs[slab][index]
            let elements = tile.span.extracting(rows.lowerBound * Self.tile..<rows.upperBound * Self.tile)
            let view = MatrixView(elements, rows: rows.count, columns: Self.tile)
            var target = y.part(places)
            BLAS.gemv(view, part, into: &target)
        }
    }
}
