import LinearAlgebra

/// The part of an orthonormal basis that one chunk holds, in float32.
///
/// Vectors lie in slabs of 16, and a slab in tiles of 1,024 elements whose rows, one a vector, lie together: memory grows with the
/// basis, and a matrix–vector product of one tile stays in the cache. Inner products are float32 within a tile and float64 across
/// tiles, in the order of the tiles.
struct TiledBasis: Sendable {
    static let tile = 1024
    private static let slab = 16
    private(set) var count = 0
    private let tiles: Int
    /// By slab, then by tile; [16, 1024] each.
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

    /// Vᵀw, in the order of the vectors. O(count · elements).
    func products(_ w: AlignedVector) -> [Double] {
        var sums = Array(repeating: 0.0, count: count)
        for (slab, matrices) in slabs.enumerated() where slab * Self.slab < count {
            let (first, rows) = (slab * Self.slab, min(Self.slab, count - slab * Self.slab))
            var partial = AlignedVector(count: rows)
            var y = partial.mutableSpan
            for (index, tile) in matrices.enumerated() {
                let view = MatrixView(tile.span.extracting(0..<rows * Self.tile), rows: rows, columns: Self.tile)
                BLAS.gemv(view, w.span.extracting(index * Self.tile..<(index + 1) * Self.tile), into: &y)
                for row in 0..<rows { sums[first + row] += Double(y[row]) }
            }
        }
        return sums
    }

    /// w ← w − V·c; vectors whose coefficient is zero are not read. O(nonzero coefficients · elements).
    func subtract(_ coefficients: [Double], from w: inout AlignedVector) {
        precondition(coefficients.count == count, "a coefficient a vector")
        let chosen = coefficients.indices.filter { coefficients[$0] != 0 }
        var all = w.mutableSpan
        for index in 0..<tiles {
            var part = all.part(index * Self.tile..<(index + 1) * Self.tile)
            for vector in chosen {
                let tile = slabs[vector / Self.slab][index]
                let row = vector % Self.slab * Self.tile
                VectorKernels.axpy(Float(-coefficients[vector]), tile.span.extracting(row..<row + Self.tile), into: &part)
            }
        }
    }
}
