import CVectorKernels

/// A growing list of vectors of one length, kept as 16-bit integers with a scale for every 1,024 elements: half of float32's memory. An
/// element errs by at most 2⁻¹⁶ of the largest of its 1,024.
///
/// Rows lie in slabs of 8, and a slab in tiles whose rows lie together, so that what is done with one tile of a vector stays in the
/// cache. Inner products are float32 within a tile.
public struct PackedRows: Sendable {
    /// Elements of a tile.
    public static let tile = 1024
    private static let slab = 8
    /// Vectors.
    public private(set) var count = 0
    private let tiles: Int
    private var slabs: [Slab] = []

    /// [tiles, 8, 1024] integers, two in the place of a float; a scale each row of a tile.
    private struct Slab: Sendable {
        var packed: AlignedVector
        var scales: AlignedVector

        mutating func store(_ vector: Span<Float>, row: Int) { Self.store(vector, row: row, &packed, &scales) }

        private static func store(
            _ vector: Span<Float>, row: Int, _ packed: inout AlignedVector, _ scales: inout AlignedVector
        ) {
            var bytes = packed.mutableSpan
            var factors = scales.mutableSpan
            for tile in 0..<vector.count / PackedRows.tile {
                let place = tile * PackedRows.slab + row
                let elements = vector.extracting(tile * PackedRows.tile..<(tile + 1) * PackedRows.tile)
                factors[place] = unsafe elements.withUnsafeBufferPointer { elements in
                    unsafe bytes.withUnsafeMutableBytes { bytes in
                        guard let from = elements.baseAddress, let to = bytes.baseAddress else { return 0 }
                        let row = unsafe (to + place * PackedRows.tile * 2).assumingMemoryBound(to: Int16.self)
                        return unsafe VectorKernels.kernels.pack(row, from, PackedRows.tile)
                    }
                }
            }
        }
    }

    /// Of vectors of `tiles` · 1,024 elements.
    public init(tiles: Int) { self.tiles = tiles }

    /// Forgets the vectors and keeps their memory.
    public mutating func removeAll() { count = 0 }

    /// `vector: [tiles · 1024]`. O(elements).
    public mutating func append(_ vector: Span<Float>) {
        precondition(vector.count == tiles * Self.tile, "a vector of whole tiles")
        let (slab, row) = (count / Self.slab, count % Self.slab)
        if slab == slabs.count {
            let rows = tiles * Self.slab
            slabs.append(Slab(packed: AlignedVector(count: rows * Self.tile / 2), scales: AlignedVector(count: rows)))
        }
        slabs[slab].store(vector, row: row)
        count += 1
    }

    /// y[i] ← ⟨row i, x⟩ over one tile, for the first y.count rows. `x: [1024]`.
    public func products(tile: Int, _ x: Span<Float>, into y: inout MutableSpan<Float>) {
        precondition(x.count == Self.tile && y.count <= count, "a tile, and a product a row")
        let rows = y.count
        unsafe x.withUnsafeBufferPointer { x in
            unsafe y.withUnsafeMutableBufferPointer { y in
                guard let x = x.baseAddress, let y = y.baseAddress else { return }
                for first in stride(from: 0, to: rows, by: Self.slab) {
                    unsafe withRows(slabs[first / Self.slab], tile) { packed, scales in
                        unsafe VectorKernels.kernels.packed_products(
                            y + first, packed, scales, x, min(Self.slab, rows - first), Self.tile)
                    }
                }
            }
        }
    }

    /// y ← y − Σ_i c[i]·(row i) over one tile, for the first c.count rows. `y: [1024]`.
    public func subtract(tile: Int, times c: Span<Float>, from y: inout MutableSpan<Float>) {
        precondition(y.count == Self.tile && c.count <= count, "a tile, and a coefficient a row")
        let rows = c.count
        unsafe c.withUnsafeBufferPointer { c in
            unsafe y.withUnsafeMutableBufferPointer { y in
                guard let c = c.baseAddress, let y = y.baseAddress else { return }
                for first in stride(from: 0, to: rows, by: Self.slab) {
                    unsafe withRows(slabs[first / Self.slab], tile) { packed, scales in
                        unsafe VectorKernels.kernels.subtract_packed(
                            y, packed, scales, c + first, min(Self.slab, rows - first), Self.tile)
                    }
                }
            }
        }
    }

    private func withRows(_ slab: Slab, _ tile: Int, _ body: (UnsafePointer<Int16>, UnsafePointer<Float>) -> Void) {
        let place = tile * Self.slab
        unsafe slab.packed.span.withUnsafeBytes { packed in
            unsafe slab.scales.span.withUnsafeBufferPointer { scales in
                guard let rows = packed.baseAddress, let first = scales.baseAddress else { return }
                unsafe body((rows + place * Self.tile * 2).assumingMemoryBound(to: Int16.self), first + place)
            }
        }
    }
}
