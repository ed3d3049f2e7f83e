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
        let slab = count / Self.slab
        if slab == slabs.count { slabs.append(AlignedVector(count: tiles * Self.slab * Self.tile)) }
        store(vector, at: count)
        count += 1
    }

    private mutating func store(_ vector: AlignedVector, at place: Int) {
        let (slab, row, size) = (place / Self.slab, place % Self.slab, Self.tile)
        var elements = slabs[slab].mutableSpan
        for index in 0..<tiles {
            let start = (index * Self.slab + row) * size
            var target = elements.part(start..<start + size)
            VectorKernels.copy(vector.span.extracting(index * size..<(index + 1) * size), into: &target)
        }
    }

    /// w ← w − V·c, c being of the last vectors; then w's products with the last `products` vectors, in their order, and ‖w‖²; then, where
    /// it is given, the products of the `last` vector with those before it. The basis is read once. O(vectors · elements).
    func sweep(_ w: inout AlignedVector, subtracting coefficients: [Double], products: Int, last: AlignedVector? = nil) -> [Double]
    {
        precondition(coefficients.count <= count && products <= count, "a coefficient a vector")
        let c = coefficients.map { Float($0) }
        let (subtracted, multiplied) = (pieces(count - c.count..<count), pieces(count - products..<count))
        let (before, size) = (last == nil ? 0 : count - 1, Self.tile)
        var sums = Array(repeating: 0.0, count: products + 1 + before)
        var (ofWork, ofLast) = (AlignedVector(count: products), AlignedVector(count: last == nil ? 0 : products))
        var all = w.mutableSpan
        var y = ofWork.mutableSpan
        var z = ofLast.mutableSpan
        for index in 0..<tiles {
            let elements = index * size..<(index + 1) * size
            var part = all.part(elements)
            subtract(c, subtracted, tile: index, from: &part)
            for piece in multiplied {
                let slab = slabs[piece.slab]
                let rows = MatrixView(
                    slab.span.extracting(piece.elements(ofTile: index)), rows: piece.rows.count, columns: size)
                var target = y.part(piece.places)
                VectorKernels.rowProducts(rows, part.span, into: &target)
                if let last {
                    var target = z.part(piece.places)
                    VectorKernels.rowProducts(rows, last.span.extracting(elements), into: &target)
                }
            }
            for vector in 0..<products { sums[vector] += Double(y[vector]) }
            sums[products] += VectorKernels.sumOfSquares(part.span)
            for vector in 0..<before { sums[products + 1 + vector] += Double(z[vector]) }
        }
        return sums
    }

    /// w ← w − V·c, c being of the last vectors, and the last vector less V·d, d being of those before it. The basis is read once.
    mutating func subtract(_ c: [Double], from w: inout AlignedVector, _ d: [Double], fromLast last: inout AlignedVector) {
        precondition(c.count <= count && (d.isEmpty || d.count == count - 1), "a coefficient a vector")
        if c.isEmpty && d.isEmpty { return }
        let (first, second) = (c.map { Float($0) }, d.map { Float($0) })
        let (ofWork, ofLast) = (pieces(count - c.count..<count), pieces(0..<d.count))
        do {
            var all = w.mutableSpan
            var other = last.mutableSpan
            for index in 0..<tiles {
                let elements = index * Self.tile..<(index + 1) * Self.tile
                var part = all.part(elements)
                subtract(first, ofWork, tile: index, from: &part)
                var lastPart = other.part(elements)
                subtract(second, ofLast, tile: index, from: &lastPart)
            }
        }
        if !d.isEmpty { store(last, at: count - 1) }
    }

    private func subtract(_ c: [Float], _ pieces: [Piece], tile index: Int, from part: inout MutableSpan<Float>) {
        for piece in pieces {
            let slab = slabs[piece.slab]
            let rows = MatrixView(
                slab.span.extracting(piece.elements(ofTile: index)), rows: piece.rows.count, columns: Self.tile)
            VectorKernels.subtractRows(rows, times: c.span.extracting(piece.places), from: &part)
        }
    }

    /// Vectors of one slab: its rows, and their places among the vectors asked for.
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

    private func pieces(_ vectors: Range<Int>) -> [Piece] {
        if vectors.isEmpty { return [] }
        return (vectors.lowerBound / Self.slab...(vectors.upperBound - 1) / Self.slab).map { slab in
            let part = (slab * Self.slab..<(slab + 1) * Self.slab).clamped(to: vectors)
            return Piece(
                slab: slab, rows: part.lowerBound - slab * Self.slab..<part.upperBound - slab * Self.slab,
                places: part.lowerBound - vectors.lowerBound..<part.upperBound - vectors.lowerBound)
        }
    }
}
