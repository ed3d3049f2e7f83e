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

    /// w ← w − V·c unless `coefficients` is empty; then Vᵀw, in the order of the vectors, and ‖w‖², unless no `products` are asked for.
    /// The basis is read once: what was subtracted is still in the cache when products are taken of what is left. O(count · elements).
    func sweep(_ w: inout AlignedVector, subtracting coefficients: [Double], products: Bool = true) -> [Double] {
        precondition(coefficients.isEmpty || coefficients.count == count, "a coefficient a vector")
        let c = coefficients.map { Float($0) }
        var sums = Array(repeating: 0.0, count: products ? count + 1 : 0)
        var partial = AlignedVector(count: count)
        var all = w.mutableSpan
        var y = partial.mutableSpan
        for index in 0..<tiles {
            var part = all.part(index * Self.tile..<(index + 1) * Self.tile)
            if !c.isEmpty { subtract(c, tile: index, from: &part) }
            if !products { continue }
            multiply(part.span, tile: index, into: &y)
            for vector in 0..<count { sums[vector] += Double(y[vector]) }
            sums[count] += VectorKernels.sumOfSquares(part.span)
        }
        return sums
    }

    /// The vectors of a slab, as places in the basis.
    private func vectors(_ slab: Int) -> Range<Int> { slab * Self.slab..<min(count, (slab + 1) * Self.slab) }

    private var slabsInUse: Int { (count + Self.slab - 1) / Self.slab }

    private func subtract(_ c: [Float], tile index: Int, from part: inout MutableSpan<Float>) {
        for slab in 0..<slabsInUse {
            let (tile, vectors) = (slabs[slab][index], vectors(slab))
            let view = MatrixView(tile.span.extracting(0..<vectors.count * Self.tile), rows: vectors.count, columns: Self.tile)
            BLAS.gemv(view, transposed: true, c.span.extracting(vectors), alpha: -1, beta: 1, into: &part)
        }
    }

    private func multiply(_ part: Span<Float>, tile index: Int, into y: inout MutableSpan<Float>) {
        for slab in 0..<slabsInUse {
            let (tile, vectors) = (slabs[slab][index], vectors(slab))
            let view = MatrixView(tile.span.extracting(0..<vectors.count * Self.tile), rows: vectors.count, columns: Self.tile)
            var target = y.part(vectors)
            BLAS.gemv(view, part, into: &target)
        }
    }
}
