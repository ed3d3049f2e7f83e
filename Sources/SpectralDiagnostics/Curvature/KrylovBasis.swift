import LinearAlgebra

/// The part of an orthonormal basis that one chunk holds: the last two vectors in float32, those before them packed.
///
/// Every Lanczos vector is orthogonalised against the last two, and now and then against all, where what is subtracted is so small
/// that the packed vectors' errors vanish in float32's rounding. Inner products are float32 within 1,024 elements and float64 across,
/// in order.
struct KrylovBasis: Sendable {
    /// The last two.
    private var recent: [AlignedVector] = []
    private var packed: PackedRows
    private let tiles: Int

    init(elements: Int) {
        tiles = Self.padded(elements) / PackedRows.tile
        packed = PackedRows(tiles: tiles)
    }

    var count: Int { packed.count + recent.count }

    /// `elements` rounded up to whole tiles: the length of the vectors that go in and out.
    static func padded(_ elements: Int) -> Int { (elements + PackedRows.tile - 1) / PackedRows.tile * PackedRows.tile }

    /// Forgets the vectors and keeps their memory.
    mutating func removeAll() {
        packed.removeAll()
        recent = []
    }

    /// O(elements).
    mutating func append(_ vector: AlignedVector) {
        precondition(vector.count == tiles * PackedRows.tile, "a vector of whole tiles")
        if recent.count == 2 {
            let oldest = recent.removeFirst()
            packed.append(oldest.span)
        }
        recent.append(vector)
    }

    /// The vector that was appended last.
    var last: AlignedVector {
        guard let last = recent.last else { preconditionFailure("a basis begins with a vector") }
        return last
    }

    /// w ← w − V·c, c being of the last one or two vectors. Then w's products with those that are recent, or with all if `takingAll`, in
    /// the vectors' order; ‖w‖²; and where all are taken, the products of the last vector with those before it. O(vectors · elements).
    func sweep(_ w: inout AlignedVector, subtracting coefficients: [Double], takingAll: Bool) -> [Double] {
        precondition(coefficients.count <= recent.count, "a coefficient a vector")
        let older = takingAll ? packed.count : 0
        let (products, before) = (older + recent.count, takingAll ? count - 1 : 0)
        var sums = Array(repeating: 0.0, count: products + 1 + before)
        var (ofWork, ofLast, one) = (AlignedVector(count: older), AlignedVector(count: older), AlignedVector(count: 1))
        var all = w.mutableSpan
        var y = ofWork.mutableSpan
        var z = ofLast.mutableSpan
        var sum = one.mutableSpan
        for tile in 0..<tiles {
            let elements = tile * PackedRows.tile..<(tile + 1) * PackedRows.tile
            var part = all.part(elements)
            for (vector, c) in zip(recent.suffix(coefficients.count), coefficients) {
                VectorKernels.axpy(-Float(c), vector.span.extracting(elements), into: &part)
            }
            packed.products(tile: tile, part.span, into: &y)
            for vector in 0..<older { sums[vector] += Double(y[vector]) }
            for (place, vector) in recent.enumerated() {
                sums[older + place] += Self.product(vector.span.extracting(elements), part.span, &sum)
            }
            sums[products] += VectorKernels.sumOfSquares(part.span)
            if before == 0 { continue }
            let last = recent[recent.count - 1]
            packed.products(tile: tile, last.span.extracting(elements), into: &z)
            for vector in 0..<older { sums[products + 1 + vector] += Double(z[vector]) }
            if recent.count == 2 {
                let vector = recent[0]
                sums[products + 1 + older] += Self.product(vector.span.extracting(elements), last.span.extracting(elements), &sum)
            }
        }
        return sums
    }

    /// ⟨x, y⟩ in float32; `sum` is room for it.
    private static func product(_ x: Span<Float>, _ y: Span<Float>, _ sum: inout MutableSpan<Float>) -> Double {
        VectorKernels.rowProducts(MatrixView(x, rows: 1, columns: x.count), y, into: &sum)
        return Double(sum[0])
    }

    /// w ← w − V·c, and the last vector less V·d, c being of the last vectors, all or only those that are recent, and d of all before the
    /// last; empty for nothing to subtract. O(vectors · elements).
    mutating func subtract(_ c: [Double], from w: inout AlignedVector, andFromLast d: [Double]) {
        precondition(c.isEmpty || c.count == count || c.count == recent.count, "a coefficient a vector")
        precondition(d.isEmpty || d.count == count - 1, "a coefficient a vector")
        if c.isEmpty && d.isEmpty { return }
        let (first, second) = (c.map { Float($0) }, d.map { Float($0) })
        let older = max(0, c.count - recent.count)
        var last = last
        let vectors = recent
        do {
            var all = w.mutableSpan
            var other = last.mutableSpan
            for tile in 0..<tiles {
                let elements = tile * PackedRows.tile..<(tile + 1) * PackedRows.tile
                var part = all.part(elements)
                packed.subtract(tile: tile, times: first.span.extracting(0..<older), from: &part)
                for (vector, c) in zip(vectors, first.dropFirst(older)) {
                    VectorKernels.axpy(-c, vector.span.extracting(elements), into: &part)
                }
                if second.isEmpty { continue }
                var lastPart = other.part(elements)
                packed.subtract(tile: tile, times: second.span.extracting(0..<packed.count), from: &lastPart)
                for (vector, c) in zip(vectors, second.dropFirst(packed.count)) {
                    VectorKernels.axpy(-c, vector.span.extracting(elements), into: &lastPart)
                }
            }
        }
        recent[recent.count - 1] = last
    }
}
