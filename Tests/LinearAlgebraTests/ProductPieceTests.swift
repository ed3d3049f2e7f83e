import CVectorKernels
import Testing

@testable import LinearAlgebra

@Suite("Products cut in pieces")
struct ProductPieceTests {
    /// m, n, k of products that are cut in rows, in columns too, or turned over first, with remainders; and of some that are not cut.
    static let shapes = [
        (64, 64, 64), (256, 64, 256), (250, 37, 251), (61, 128, 784), (130, 300, 200), (1024, 128, 1024), (512, 64, 512),
        (200, 1500, 128), (67, 390, 33), (10, 128, 1024), (5, 3, 2), (300, 1030, 256), (90, 70, 2100),
    ]

    static func random(_ rows: Int, _ columns: Int, _ purpose: String) -> Matrix {
        var matrix = Matrix(rows: rows, columns: columns)
        var span = matrix.mutableSpan
        CounterRNG(seed: 9, purpose: purpose).fillNormal(&span, standardDeviation: 1)
        return matrix
    }

    static func transpose(_ matrix: Matrix) -> Matrix {
        var result = Matrix(rows: matrix.columns, columns: matrix.rows)
        for i in 0..<matrix.rows { for j in 0..<matrix.columns { result[j, i] = matrix[i, j] } }
        return result
    }

    /// By definition, in float64, and the sum of the magnitudes, which bounds the rounding.
    static func definition(_ a: Matrix, _ b: Matrix, _ i: Int, _ j: Int) -> (value: Double, magnitude: Double) {
        var (value, magnitude) = (0.0, 0.0)
        for p in 0..<a.columns {
            let term = Double(a[i, p]) * Double(b[p, j])
            value += term
            magnitude += abs(term)
        }
        return (value, magnitude)
    }

    @Test("equal the sums of their definition, every element of C written, in every transposition", arguments: shapes)
    func equalDefinition(m: Int, n: Int, k: Int) {
        let (a, b, old) = (Self.random(m, k, "a"), Self.random(k, n, "b"), Self.random(m, n, "c"))
        let (aTransposed, bTransposed) = (Self.transpose(a), Self.transpose(b))
        for (alpha, beta) in [(Float(1), Float(0)), (0.5, 1), (-2, 0.25)] {
            for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
                var c = old
                do {
                    var view = c.mutableView
                    // What is there must not matter when beta is zero.
                    if beta == 0 { for index in view.elements.indices { view.elements[index] = .nan } }
                    BLAS.gemm(
                        transposeA ? aTransposed.view : a.view, transposeA: transposeA, transposeB ? bTransposed.view : b.view,
                        transposeB: transposeB, alpha: alpha, beta: beta, into: &view)
                }
                var worst = 0.0
                // Every element near the edges of pieces, and a sample of the others.
                for i in 0..<m where m < 70 || i % 29 == 0 || i % 60 < 2 || i >= m - 2 {
                    for j in 0..<n where n < 70 || j % 31 == 0 || j % 64 < 2 || j >= n - 2 {
                        let (sum, magnitude) = Self.definition(a, b, i, j)
                        let exact = Double(alpha) * sum + Double(beta) * (beta == 0 ? 0 : Double(old[i, j]))
                        let unit = (abs(Double(alpha)) * magnitude + 3) * Double(Float.ulpOfOne)
                        worst = max(worst, c[i, j].isFinite ? abs(Double(c[i, j]) - exact) / unit : .infinity)
                    }
                }
                #expect(worst < 8, "\(m) × \(n) × \(k), transposed \(transposeA), \(transposeB), \(alpha), \(beta)")
                #expect(c.span.indices.allSatisfy { c.span[$0].isFinite })
            }
        }
    }

    @Test("are small where OpenBLAS has kernels for small products, each piece within the result, and none where it has not")
    func route() {
        func piece(_ m: Int, _ n: Int, _ k: Int, _ transposeA: Bool = false, _ transposeB: Bool = false) -> GEMMCall.Piece? {
            GEMMCall(transposeA: transposeA, transposeB: transposeB, m: m, n: n, k: k, alpha: 1, beta: 0).piece
        }
        // A weight's product, its gradient's, and the input's, of a microbatch of 64 at width 256.
        let all = [piece(256, 64, 256), piece(256, 256, 64, false, true), piece(256, 64, 256, true, false)]
        if ["Cooperlake", "SkylakeX"].contains(NumericFingerprint.currentCore) {
            let pieces: [GEMMCall.Piece] = [
                .init(columns: 64, rows: 60, depth: 256), .init(columns: 256, rows: 32, depth: 64),
                .init(columns: 64, rows: 60, depth: 256),
            ]
            #expect(all == pieces)
            #expect(piece(1024, 128, 1024) == .init(columns: 128, rows: 4, depth: 1024))
            #expect(piece(1024, 300, 1024) == .init(columns: 64, rows: 12, depth: 1024))
            #expect(piece(4096, 64, 4096) == .init(columns: 64, rows: 12, depth: 1024))
            #expect(piece(500, 70, 2100) == .init(columns: 70, rows: 20, depth: 704))
        } else {
            #expect(all.allSatisfy { $0 == nil || $0!.rows >= 4 })
        }
        // Strides that fall on few cache lines, and sums too long for pieces.
        #expect(piece(1024, 128, 1024, true, false) == nil)
        #expect(piece(2048, 256, 2048) == nil)
        #expect(piece(2048, 2048, 256, false, true) == nil)
        #expect(piece(256, 64, 256, true, true) == nil)
    }

    @Test("turn a matrix over in every version of the kernel, whatever its strides, and write nothing beside it")
    func transposition() {
        let tables = VectorKernelTests.sets.compactMap { unsafe plumb_vector_kernels_for($0)?.pointee }
        for (rows, columns, fromStride, toStride) in [
            (16, 16, 16, 16), (64, 48, 50, 64), (37, 53, 60, 41), (1, 5, 5, 1), (0, 3, 3, 2),
        ] {
            let from = VectorKernelTests.random(max(1, rows * fromStride), purpose: "transpose")
            for table in tables {
                var to = Array(repeating: Float.nan, count: columns * toStride + 1)
                unsafe from.withUnsafeBufferPointer { from in
                    unsafe to.withUnsafeMutableBufferPointer { to in
                        unsafe table.transpose(to.baseAddress!, toStride, from.baseAddress!, fromStride, rows, columns)
                    }
                }
                for (index, value) in to.enumerated() {
                    let (j, i) = (index / toStride, index % toStride)
                    let expected = i < rows && j < columns ? from[i * fromStride + j] : .nan
                    #expect(value == expected || (value.isNaN && expected.isNaN))
                }
            }
        }
    }

    @Test("are the same on many threads at once, each with memory of its own to turn a matrix over in")
    func manyThreads() async {
        let g = Self.random(128, 64, "g")
        let x = Self.random(300, 64, "x")
        var here = Matrix(rows: 128, columns: 300)
        do {
            var view = here.mutableView
            BLAS.gemm(g.view, x.view, transposeB: true, into: &view)
        }
        let reference = here
        let results = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var there = Matrix(rows: 128, columns: 300)
                    for _ in 0..<20 {
                        var view = there.mutableView
                        BLAS.gemm(g.view, x.view, transposeB: true, into: &view)
                    }
                    return there.span.indices.allSatisfy { there.span[$0] == reference.span[$0] }
                }
            }
            return await group.reduce(true) { $0 && $1 }
        }
        #expect(results)
    }
}
