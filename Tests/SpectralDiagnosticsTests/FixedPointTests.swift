import Foundation
import LinearAlgebra
import SpectralDiagnostics
import Testing

@Suite("D13: fixed points; eigenvalues")
struct FixedPointTests {
    /// x ↦ A·x + b.
    static func affine(_ a: Matrix, bias: Float = 1) -> FixedPoint {
        FixedPoint(starts: Oracle.gaussian(a.rows, 8, seed: 3)) { x in
            var y = Oracle.product(a, x)
            for row in 0..<y.rows { for column in 0..<y.columns { y[row, column] += bias } }
            return y
        }
    }

    @Test("eigenvalues are NumPy's: the spectral radius, the trace and the determinant")
    func eigenvalues() throws {
        for line in try Oracle.lines("radius") {
            let matrix = DoubleMatrix(Oracle.lattice(Int(line[0]), Int(line[0]), Int(line[1])).view)
            #expect(abs(try LAPACK.spectralRadius(matrix) - line[2]) < 1e-9 * line[2])
            let values = try LAPACK.eigenvalues(matrix)
            #expect(abs(values.reduce(0) { $0 + $1.real } - line[3]) < 1e-9 * (1 + abs(line[3])))
            var product = (real: 1.0, imaginary: 0.0)
            for value in values {
                product = (
                    product.real * value.real - product.imaginary * value.imaginary,
                    product.real * value.imaginary + product.imaginary * value.real
                )
            }
            #expect(abs(product.real - line[4]) < 1e-8 * abs(line[4]))
        }
        #expect(try LAPACK.spectralRadius(DoubleMatrix(rows: 0, columns: 0)) == 0)
        var broken = DoubleMatrix(rows: 2, columns: 2)
        broken[0, 1] = .nan
        #expect(throws: LAPACKError.notFinite(routine: "geev")) { try LAPACK.eigenvalues(broken) }
    }

    @Test(
        "linear contractions: the point in closed form, and a rate within 1 % of the spectral radius", arguments: [0.5, 0.9, 0.97])
    func contraction(radius: Double) throws {
        var a = Matrix(rows: 4, columns: 4)
        // A rotation of two units, whose eigenvalues are a complex pair, and two units that shrink faster.
        (a[0, 0], a[0, 1], a[1, 0], a[1, 1]) = (Float(radius * 0.6), Float(-radius * 0.8), Float(radius * 0.8), Float(radius * 0.6))
        (a[2, 2], a[3, 3]) = (0.3, -0.2)
        let end = Self.affine(a)
        #expect(end.kind == .contraction && end.residual <= 1e-6)
        #expect(abs(end.rate! - radius) < 0.01 * radius)
        #expect(abs(try LAPACK.spectralRadius(DoubleMatrix(a.view)) - radius) < 1e-6)
        #expect(abs(Double(end.point[2, 0]) - 1 / 0.7) < 1e-4 && abs(Double(end.point[3, 0]) - 1 / 1.2) < 1e-4)
    }

    @Test("kinds: several points of rest, a cycle, divergence, no number")
    func kinds() {
        // tanh(3x) rests at two points; each start goes to one of them.
        let two = FixedPoint(starts: Oracle.gaussian(1, 8, seed: 3)) { x in
            var y = x
            for column in 0..<x.columns { y[0, column] = Float(tanh(3 * Double(x[0, column]))) }
            return y
        }
        #expect(two.kind == .stable && two.spread > 0.5)
        let turn = Matrix(rows: 2, columns: 2, elements: [0, -1, 1, 0])
        #expect(Self.affine(turn).kind == .cycle && Self.affine(turn).iterations == 500)
        let growth = Matrix(rows: 2, columns: 2, elements: [1.5, 0, 0, 0.5])
        #expect(Self.affine(growth).kind == .divergent && Self.affine(growth).rate == nil)
        #expect(Self.affine(Matrix(rows: 1, columns: 1, elements: [.nan])).kind == .divergent)
        let zero = Self.affine(Matrix(rows: 3, columns: 3))
        #expect(zero.kind == .contraction && zero.iterations == 2 && zero.rate == nil)
    }

    @Test("a slow approach is no cycle")
    func slow() {
        let end = Self.affine(Matrix(rows: 1, columns: 1, elements: [0.995]))
        #expect(end.kind != .cycle && abs(end.rate! - 0.995) < 1e-3)
    }
}

@Suite("D22 and D23: representations")
struct RepresentationTests {
    @Test("effective rank, participation ratio and CKA are NumPy's")
    func golden() throws {
        for line in try Oracle.lines("representation") {
            let examples = Int(line[2])
            let x = RepresentationGram(DoubleMatrix(Oracle.lattice(Int(line[0]), examples, 1).view))
            let y = RepresentationGram(DoubleMatrix(Oracle.lattice(Int(line[1]), examples, 2).view))
            #expect(abs(x.alignment(y).number! - line[3]) < 1e-9)
            #expect(abs(x.effectiveRank.number! - line[4]) < 1e-8 && abs(x.participationRatio.number! - line[5]) < 1e-8)
        }
    }

    @Test("whitened: n and n; a rotation, a scale and a shift change nothing; orthogonal units share nothing")
    func closedForms() throws {
        // ±e_i: mean zero, covariance a multiple of I.
        var white = DoubleMatrix(rows: 5, columns: 10)
        for unit in 0..<5 { (white[unit, 2 * unit], white[unit, 2 * unit + 1]) = (3, -3) }
        let gram = RepresentationGram(white)
        #expect(abs(gram.effectiveRank.number! - 5) < 1e-9 && abs(gram.participationRatio.number! - 5) < 1e-9)
        let x = DoubleMatrix(Oracle.lattice(6, 11, 1).view)
        let rotation = try LAPACK.qr(Oracle.gaussian(6, 6, seed: 1).view).q
        let q = DoubleMatrix(rotation.view)
        var turned = DoubleMatrix.product(q, x)
        for index in turned.elements.indices { turned.elements[index] = 7 * turned.elements[index] + 100 }
        #expect(abs(RepresentationGram(x).alignment(RepresentationGram(turned)).number! - 1) < 1e-6)
        var (one, other) = (DoubleMatrix(rows: 1, columns: 4), DoubleMatrix(rows: 1, columns: 4))
        for example in 0..<4 { (one[0, example], other[0, example]) = (example < 2 ? 1 : -1, example % 2 == 0 ? 1 : -1) }
        #expect(abs(RepresentationGram(one).alignment(RepresentationGram(other)).number!) < 1e-12)
    }

    @Test("what has no spread says why")
    func reasons() {
        func reason(_ columns: Int, _ value: Double) -> String? {
            var x = DoubleMatrix(rows: 2, columns: columns)
            for index in x.elements.indices { x.elements[index] = value }
            return RepresentationGram(x).effectiveRank.reason
        }
        #expect(reason(1, 2) == "two examples are needed" && reason(0, 2) == "two examples are needed")
        #expect(reason(7, 0.1) == "all examples have the same representation")
        #expect(reason(3, .nan) == "the representations are not finite")
    }
}
