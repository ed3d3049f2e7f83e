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
    /// Each [tiles, 8, 1024].
    private var slabs: [AlignedVector] = []

    init(elements: Int) { tiles = Self.padded(elements) / Self.tile }

    /// `elements` rounded up to whole tiles: the length of the vectors that go in and out.
    static func padded(_ elements: Int) -> Int { (elements + tile - 1) / tile * tile }

    /// Forgets the vectors and keeps their memory.
    mutating func removeAll() { count = 0 }

    /// O(elements).
    mutating func append(_ vector: AlignedVector) {
        precondition(vector.count == tiles * Self.tile, "a vector of whole tiles")
        let (slab, row, size) = (count / Self.slab, count % Self.slab, Self.tile)
        if slab == slabs.count { slabs.append(AlignedVector(count: tiles * Self.slab * size)) }
        var elements = slabs[slab].mutableSpan
        for index in 0..<tiles {
            let start = (index * Self.slab + row) * size
            var target = elements.part(start..<start + size)
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
        let (subtracted, multiplied) = (pieces(ofLast: c.count), pieces(ofLast: products))
        var all = w.mutableSpan
        var y = partial.mutableSpan
        for index in 0..<tiles {
            var part = all.part(index * Self.tile..<(index + 1) * Self.tile)
            for piece in subtracted {
                let slab = slabs[piece.slab]
                let elements = slab.span.extracting(piece.elements(ofTile: index))
                let rows = MatrixView(elements, rows: piece.rows.count, columns: Self.tile)
                BLAS.gemv(rows, transposed: true, c.span.extracting(piece.places), alpha: -1, beta: 1, into: &part)
            }
            for piece in multiplied {
                let slab = slabs[piece.slab]
                let elements = slab.span.extracting(piece.elements(ofTile: index))
                var target = y.part(piece.places)
                VectorKernels.rowProducts(
                    MatrixView(elements, rows: piece.rows.count, columns: Self.tile), part.span, into: &target)
            }
            for vector in 0..<products { sums[vector] += Double(y[vector]) }
            sums[products] += VectorKernels.sumOfSquares(part.span)
        }
        return sums
    }

    /// Vectors of one slab: its rows, and their places among the last vectors.
    private struct Piece {
        var slab: Int
        var rows: Range<Int>
        var places: Range<Int>

        /// Of the slab.
        func elements(ofTile index: Int) -> Range<Int> {
            let start = index * TiledBasis.slab
            return (start + rows.lowerBound) * TiledBasis.tile..<(start + rows.upperBound) * TiledBasis.tile
        }
    }

    private func pieces(ofLast number: Int) -> [Piece] {
        let first = count - number
        if number == 0 { return [] }
        return (first / Self.slab..<(count + Self.slab - 1) / Self.slab).map { slab in
            let vectors = max(first, slab * Self.slab)..<min(count, (slab + 1) * Self.slab)
            let rows = vectors.lowerBound - slab * Self.slab..<vectors.upperBound - slab * Self.slab
            return Piece(slab: slab, rows: rows, places: vectors.lowerBound - first..<vectors.upperBound - first)
        }
    }
}
