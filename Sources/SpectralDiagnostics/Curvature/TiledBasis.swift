import LinearAlgebra

/// The part of an orthonormal basis that one chunk holds: up to `capacity` vectors of float32, cut into tiles of 1,024 elements whose
/// rows, one a vector, lie together. A tile fits the cache, so that subtracting a combination and taking the inner products of what is
/// left read the basis once.
///
/// Inner products are float32 within a tile and float64 across tiles, in the order of the tiles.
struct TiledBasis: Sendable {
    static let tile = 1024
    private(set) var count = 0
    private let capacity: Int
    /// [capacity, tile] each.
    private var tiles: [Matrix]

    init(elements: Int, capacity: Int) {
        self.capacity = capacity
        tiles = (0..<Self.padded(elements) / Self.tile).map { _ in Matrix(rows: capacity, columns: Self.tile) }
    }

    /// `elements` rounded up to whole tiles: the length of the vectors that go in and out.
    static func padded(_ elements: Int) -> Int { (elements + tile - 1) / tile * tile }

    mutating func removeAll() { count = 0 }

    /// O(elements).
    mutating func append(_ vector: AlignedVector) {
        precondition(count < capacity && vector.count == tiles.count * Self.tile, "a vector of whole tiles, and room for it")
        let (size, row) = (Self.tile, count * Self.tile)
        for index in tiles.indices {
            var elements = tiles[index].mutableSpan
            var target = elements.part(row..<row + size)
            VectorKernels.copy(vector.span.extracting(index * size..<(index + 1) * size), into: &target)
        }
        count += 1
    }

    /// w ← w − V·c unless `coefficients` is empty; then Vᵀw if `products`, in the order of the vectors, and ‖w‖². O(count · elements).
    func sweep(_ w: inout AlignedVector, subtracting coefficients: [Double], products: Bool) -> [Double] {
        precondition(coefficients.isEmpty || coefficients.count == count, "a coefficient a vector")
        let c = coefficients.map { Float($0) }
        var sums = Array(repeating: 0.0, count: products ? count + 1 : 0)
        var partial = AlignedVector(count: count)
        var all = w.mutableSpan
        var y = partial.mutableSpan
        for (index, tile) in tiles.enumerated() {
            let rows = MatrixView(tile.span.extracting(0..<count * Self.tile), rows: count, columns: Self.tile)
            var part = all.part(index * Self.tile..<(index + 1) * Self.tile)
            if !c.isEmpty { BLAS.gemv(rows, transposed: true, c.span, alpha: -1, beta: 1, into: &part) }
            if !products { continue }
            BLAS.gemv(rows, part.span, into: &y)
            for i in 0..<count { sums[i] += Double(y[i]) }
            sums[count] += VectorKernels.sumOfSquares(part.span)
        }
        return sums
    }
}
