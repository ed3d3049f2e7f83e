import CVectorKernels
import LinearAlgebra
import Testing

@Suite("Rows of 16-bit integers")
struct PackedRowsTests {
    static let tiles = 3
    static let size = tiles * PackedRows.tile

    /// Vectors of very different sizes, tile by tile.
    static func vectors(_ count: Int) -> [[Float]] {
        (0..<count).map { row in
            VectorKernelTests.random(size, purpose: "row \(row)").enumerated().map { index, value in
                value * [1, 1e-20, 3e5][index / PackedRows.tile] * (index % 1000 == row ? 40 : 1)
            }
        }
    }

    static func packed(_ vectors: [[Float]]) -> PackedRows {
        var rows = PackedRows(tiles: tiles)
        for vector in vectors { rows.append(vector.span) }
        return rows
    }

    static func elements(_ tile: Int) -> Range<Int> { tile * PackedRows.tile..<(tile + 1) * PackedRows.tile }

    @Test("products and differences err by no more than half a step of 2⁻¹⁵ of a tile's largest element", arguments: [1, 3, 8, 19])
    func errors(count: Int) {
        let vectors = Self.vectors(count)
        let rows = Self.packed(vectors)
        let x = VectorKernelTests.random(Self.size, purpose: "x")
        let coefficients = VectorKernelTests.random(count, scale: 0.1, purpose: "c")
        for tile in 0..<Self.tiles {
            let range = Self.elements(tile)
            var products = Array(repeating: Float(0), count: count)
            var rest = Array(x[range])
            do {
                var y = products.mutableSpan
                rows.products(tile: tile, x.span.extracting(range), into: &y)
                var w = rest.mutableSpan
                rows.subtract(tile: tile, times: coefficients.span, from: &w)
            }
            let largest = vectors.map { $0[range].reduce(0) { max($0, abs(Double($1))) } }
            for row in 0..<count {
                let exact = range.reduce(0.0) { $0 + Double(vectors[row][$1]) * Double(x[$1]) }
                let size = range.reduce(0.0) { $0 + abs(Double(x[$1])) }
                #expect(abs(Double(products[row]) - exact) <= size * largest[row] * (0x1p-16 + 64 * 0x1p-24))
            }
            let allowed = zip(coefficients, largest).reduce(0.0) { $0 + abs(Double($1.0)) * $1.1 } * (0x1p-16 + 32 * 0x1p-24)
            for (place, index) in range.enumerated() {
                let exact = (0..<count).reduce(Double(x[index])) { $0 - Double(coefficients[$1]) * Double(vectors[$1][index]) }
                #expect(abs(Double(rest[place]) - exact) <= allowed + abs(Double(x[index])) * 0x1p-22)
            }
        }
    }

    @Test("zeros stay zeros, and what is not finite stays that")
    func special() {
        for value in [0, .infinity, .nan, 3e38, -2e-30, .leastNonzeroMagnitude] as [Float] {
            var vector = Array(repeating: Float(0), count: Self.size)
            vector[5] = value
            let rows = Self.packed([vector])
            var products: [Float] = [7]
            var y = products.mutableSpan
            let ones = Array(repeating: Float(1), count: PackedRows.tile)
            rows.products(tile: 0, ones.span, into: &y)
            #expect(products[0].isFinite == value.isFinite)
            if value.isFinite { #expect(abs(products[0] - value) <= abs(value) * 0x1p-15 + .leastNormalMagnitude * 32767) }
        }
    }

    @Test("every instruction set packs, multiplies and subtracts to the same bits")
    func instructionSets() throws {
        let tables = VectorKernelTests.sets.compactMap { unsafe plumb_vector_kernels_for($0)?.pointee }
        let count = PackedRows.tile
        let (x, w) = (VectorKernelTests.random(7 * count), VectorKernelTests.random(count, purpose: "other"))
        var seen: [[[UInt32]]] = []
        for table in tables {
            var packed = Array(repeating: Int16(0), count: 7 * count)
            var scales = Array(repeating: Float(0), count: 7)
            for row in 0..<7 {
                unsafe packed.withUnsafeMutableBufferPointer { packed in
                    unsafe x.withUnsafeBufferPointer { x in
                        guard let to = packed.baseAddress, let from = x.baseAddress else { return }
                        scales[row] = unsafe table.pack(to + row * count, from + row * count, count)
                    }
                }
            }
            var (y, rest, plain) = (scales, w, scales)
            unsafe table.packed_products(&y, packed, scales, w, 7, count)
            unsafe table.subtract_packed(&rest, packed, scales, scales, 7, count)
            unsafe table.row_products(&plain, x, w, 7, count - 3)
            seen.append([packed.map { UInt32(bitPattern: Int32($0)) }] + [scales, y, rest, plain].map(VectorKernelTests.bits))
        }
        #expect(seen.allSatisfy { $0 == seen[0] } && !seen.isEmpty)
    }

    @Test("row products are those of float64 but for rounding, of any number of rows and columns")
    func rowProducts() {
        for (rows, columns) in [(1, 5), (4, 16), (7, 100), (9, 1024)] {
            let (a, x) = (VectorKernelTests.random(rows * columns), VectorKernelTests.random(columns, purpose: "x"))
            var products = Array(repeating: Float(0), count: rows)
            do {
                var y = products.mutableSpan
                VectorKernels.rowProducts(MatrixView(a.span, rows: rows, columns: columns), x.span, into: &y)
            }
            for row in 0..<rows {
                let exact = (0..<columns).reduce(0.0) { $0 + Double(a[row * columns + $1]) * Double(x[$1]) }
                #expect(abs(Double(products[row]) - exact) < 1e-6 * Double(columns))
            }
        }
    }
}
