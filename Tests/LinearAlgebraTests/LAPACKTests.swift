import LinearAlgebra
import Testing

@Suite("BLAS and LAPACK")
struct LAPACKTests {
    static func random(_ rows: Int, _ columns: Int, _ purpose: String = "matrix") -> Matrix {
        var matrix = Matrix(rows: rows, columns: columns)
        var span = matrix.mutableSpan
        CounterRNG(seed: 1, purpose: purpose).fillNormal(&span, standardDeviation: 1)
        return matrix
    }

    /// A product by the definition, in float64.
    static func product(_ a: Matrix, _ ta: Bool, _ b: Matrix, _ tb: Bool) -> [[Double]] {
        let (m, k) = ta ? (a.columns, a.rows) : (a.rows, a.columns)
        let n = tb ? b.rows : b.columns
        return (0..<m).map { i in
            (0..<n).map { j in
                (0..<k).reduce(0.0) { $0 + Double(ta ? a[$1, i] : a[i, $1]) * Double(tb ? b[j, $1] : b[$1, j]) }
            }
        }
    }

    @Test("gemm equals the definition in every transposition", arguments: [false, true], [false, true])
    func gemm(ta: Bool, tb: Bool) {
        let a = ta ? Self.random(13, 7) : Self.random(7, 13)
        let b = tb ? Self.random(5, 13, "b") : Self.random(13, 5, "b")
        var c = Self.random(7, 5, "c")
        let before = c
        do {
            var view = c.mutableView
            BLAS.gemm(a.view, transposeA: ta, b.view, transposeB: tb, alpha: 2, beta: 0.5, into: &view)
        }
        let expected = Self.product(a, ta, b, tb)
        for i in 0..<7 {
            for j in 0..<5 {
                // 13 products of size about 1, each rounded once and summed.
                #expect(abs(Double(c[i, j]) - (2 * expected[i][j] + 0.5 * Double(before[i, j]))) < 60 * 13 * Double(Float.ulpOfOne))
            }
        }
    }

    @Test("trsm solves both triangles, transposed or not", arguments: [Triangle.upper, .lower], [false, true])
    func trsm(uplo: Triangle, transposed: Bool) {
        var a = Self.random(6, 6)
        for i in 0..<6 {
            a[i, i] = 4
            for j in 0..<6 where (uplo == .upper) == (j < i) && i != j { a[i, j] = 0 }
        }
        let x = Self.random(6, 3, "x")
        var b = Matrix(rows: 6, columns: 3)
        do {
            var view = b.mutableView
            BLAS.gemm(a.view, transposeA: transposed, x.view, into: &view)
            BLAS.solveTriangular(a.view, uplo: uplo, transposed: transposed, rightHandSides: &view)
        }
        for i in 0..<6 { for j in 0..<3 { #expect(abs(b[i, j] - x[i, j]) < 1e-5) } }
    }

    @Test("the singular value decomposition puts the matrix together again", arguments: [(7, 4), (4, 7), (5, 5), (1, 3), (1, 1)])
    func svd(shape: (Int, Int)) throws {
        let a = Self.random(shape.0, shape.1)
        let svd = try LAPACK.singularValueDecomposition(a.view)
        let values = try LAPACK.singularValues(a.view)
        #expect(values.count == min(shape.0, shape.1) && values == values.sorted(by: >))
        for (one, other) in zip(values, svd.values) { #expect(abs(one - other) <= 1e-5 * values[0]) }
        for i in 0..<shape.0 {
            for j in 0..<shape.1 {
                let sum = svd.values.indices.reduce(Float(0)) { $0 + svd.u[i, $1] * svd.values[$1] * svd.vTransposed[$1, j] }
                #expect(abs(sum - a[i, j]) < 1e-5 * max(1, values[0]))
            }
        }
    }

    @Test("symmetric eigenvalues: trace, and A·v = λ·v")
    func syevd() throws {
        let gram = DoubleMatrix(Self.random(9, 6).view).smallerGram()
        let (values, vectors) = try LAPACK.symmetricEigenvectors(gram)
        #expect(values == values.sorted())
        let trace = (0..<6).reduce(0.0) { $0 + gram[$1, $1] }
        #expect(abs(values.reduce(0, +) - trace) < 1e-12 * trace)
        for k in 0..<6 {
            for i in 0..<6 {
                let av = (0..<6).reduce(0.0) { $0 + gram[i, $1] * vectors[k, $1] }
                #expect(abs(av - values[k] * vectors[k, i]) < 1e-12 * trace)
            }
        }
    }

    @Test("qr: orthonormal columns, upper triangle, the product")
    func qr() throws {
        let a = Self.random(8, 5)
        let (q, r) = try LAPACK.qr(a.view)
        for i in 0..<8 {
            for j in 0..<5 {
                #expect(abs((0..<5).reduce(Float(0)) { $0 + q[i, $1] * r[$1, j] } - a[i, j]) < 1e-5)
            }
        }
        for i in 0..<5 {
            for j in 0..<5 {
                let dot = (0..<8).reduce(Float(0)) { $0 + q[$1, i] * q[$1, j] }
                #expect(abs(dot - (i == j ? 1 : 0)) < 1e-5)
                if i > j { #expect(r[i, j] == 0) }
            }
        }
    }

    @Test("solve solves, and says when there is no inverse")
    func gesv() throws {
        let (a, x) = (Self.random(6, 6), Self.random(6, 2, "x"))
        var b = Matrix(rows: 6, columns: 2)
        do {
            var view = b.mutableView
            BLAS.gemm(a.view, x.view, into: &view)
            try LAPACK.solve(a.view, rightHandSides: &view)
        }
        for i in 0..<6 { for j in 0..<2 { #expect(abs(b[i, j] - x[i, j]) < 1e-3) } }
        let singular = Matrix(rows: 2, columns: 2, elements: [1, 2, 2, 4])
        var sides = Matrix(rows: 2, columns: 1)
        #expect(throws: LAPACKError.singular(routine: "gesv", pivot: 2)) {
            var view = sides.mutableView
            try LAPACK.solve(singular.view, rightHandSides: &view)
        }
    }

    @Test("factors solve with the matrix and its transpose, rows exchanged or not", arguments: [1, 2, 9, 130], [false, true])
    func factors(n: Int, transposed: Bool) throws {
        var a = Self.random(n, n)
        // A zero that only an exchange of rows gets past.
        a[0, 0] = n == 1 ? 2 : 0
        let x = Self.random(n, 3, "x")
        var (b, factors, pivots) = (Matrix(rows: n, columns: 3), a, Array(repeating: Int32(0), count: n))
        do {
            var view = factors.mutableView
            var rows = pivots.mutableSpan
            try LAPACK.factorise(&view, pivots: &rows)
        }
        do {
            var view = b.mutableView
            BLAS.gemm(a.view, transposeA: transposed, x.view, into: &view)
            LAPACK.solve(factors: factors.view, pivots: pivots.span, transposed: transposed, rightHandSides: &view)
        }
        // Gaussian matrices of this size have condition numbers of some hundreds.
        for i in 0..<n { for j in 0..<3 { #expect(abs(b[i, j] - x[i, j]) < 3e-3) } }
        #expect(n == 1 || pivots[0] != 0)
    }

    @Test("factorise says when there is no inverse, and refuses what is not finite")
    func hostileFactors() {
        var pivots: [Int32] = [0, 0]
        var singular = Matrix(rows: 2, columns: 2, elements: [1, 2, 2, 4])
        #expect(throws: LAPACKError.singular(routine: "getrf", pivot: 2)) {
            var view = singular.mutableView
            var rows = pivots.mutableSpan
            try LAPACK.factorise(&view, pivots: &rows)
        }
        var bad = Matrix(rows: 2, columns: 2, elements: [1, .infinity, 0, 1])
        #expect(throws: LAPACKError.notFinite(routine: "getrf")) {
            var view = bad.mutableView
            var rows = pivots.mutableSpan
            try LAPACK.factorise(&view, pivots: &rows)
        }
    }

    @Test("the bits of gemv, trsm and getrf do not depend on where their operands lie")
    func alignment() throws {
        let (n, columns) = (67, 5)
        let (a, x) = (Self.random(n, n), Self.random(n, columns, "x"))
        func results(shift: Int) throws -> [[UInt32]] {
            var (matrix, sides) = (AlignedVector(count: n * n + shift), AlignedVector(count: n * columns + shift))
            var (vector, pivots) = (AlignedVector(count: n + shift), Array(repeating: Int32(0), count: n))
            var all = matrix.mutableSpan
            var factors = MutableMatrixView(all.part(shift..<shift + n * n), rows: n, columns: n)
            VectorKernels.copy(a.span, into: &factors.elements)
            var allSides = sides.mutableSpan
            var b = MutableMatrixView(allSides.part(shift..<shift + n * columns), rows: n, columns: columns)
            VectorKernels.copy(x.span, into: &b.elements)
            var allVector = vector.mutableSpan
            var y = allVector.part(shift..<shift + n)
            var outputs: [[UInt32]] = []
            for transposed in [false, true] {
                BLAS.gemv(factors.view, transposed: transposed, a.span.extracting(0..<n), into: &y)
                outputs.append(y.indices.map { y[$0].bitPattern })
            }
            var rows = pivots.mutableSpan
            try LAPACK.factorise(&factors, pivots: &rows)
            LAPACK.solve(factors: factors.view, pivots: rows.span, rightHandSides: &b)
            LAPACK.solve(factors: factors.view, pivots: rows.span, transposed: true, rightHandSides: &b)
            outputs.append(b.elements.indices.map { b.elements[$0].bitPattern })
            return outputs
        }
        let aligned = try results(shift: 0)
        for shift in [1, 3, 8] { #expect(try results(shift: shift) == aligned) }
    }

    @Test("refuses NaN, on which LAPACK may not return; takes empty matrices")
    func hostile() throws {
        let bad = Matrix(rows: 2, columns: 2, elements: [1, .nan, 0, 1])
        #expect(throws: LAPACKError.notFinite(routine: "gesdd")) { try LAPACK.singularValues(bad.view) }
        #expect(try LAPACK.singularValues(Matrix(rows: 0, columns: 3).view).isEmpty)
        #expect("\(LAPACKError.notFinite(routine: "gesdd"))".contains("NaN"))
    }

    @Test("the fingerprint is the same twice, and its differences are named")
    func fingerprint() throws {
        let shapes = [GEMMShape(m: 17, n: 8, k: 33)]
        let one = try NumericFingerprint.measure(shapes: shapes)
        #expect(try NumericFingerprint.measure(shapes: shapes) == one)
        #expect(one.differences(from: one) == nil)
        var other = one
        other.blasCore = "Sandybridge"
        #expect(one.differences(from: other) == "OpenBLAS kernels \(one.blasCore) here, Sandybridge there")
        #expect(try NumericFingerprint.measure(shapes: [GEMMShape(m: 17, n: 8, k: 32)]).digest != one.digest)
    }
}
