import LinearAlgebra
import Testing

@testable import StructuredLayers

extension CayleyPath: NaivePath {
    /// (I + A)⁻¹·(x − A·x).
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        let n = triangle.width
        var a = Naive.skew(blocks[0], n)
        let right = zip(x, Naive.multiply(a, x, rows: n)).map { $0 - $1 }
        for i in 0..<n { a[i * n + i] += 1 }
        return Naive.solve(a, right)
    }
}

@Suite("Cayley paths")
struct CayleyTests {
    @Test("are orthogonal for small and for huge parameters, and certified to be", arguments: [0, 0.1, 1, 30, 1000])
    func orthogonal(scale: Double) throws {
        for width in [2, 7, 64, 130] {
            var lone = try LonePath("cayley", inputs: width, outputs: width)
            let generator = CounterRNG(seed: 3, purpose: "cayley")
            lone.update(block: 0) { offset, _ in Float(scale * generator.normal(UInt64(offset))) }
            let values = try LAPACK.singularValues(lone.jacobian(Matrix(rows: width, columns: 1)).view)
            let certificate = try lone.certificate()
            #expect(Double(values[0]) <= certificate.upper && Double(values.last!) >= certificate.lower)
            // The solve loses ‖A‖·ε at worst, and √n columns count together.
            let slack = 1e-6 * (1 + scale * Double(width).squareRoot()) * Double(width).squareRoot()
            #expect(certificate.upper < 1 + slack && certificate.lower > 1 - slack)
        }
    }

    @Test("panels and tiles of the gradient meet at their seams")
    func seams() throws {
        let n = 150
        let triangle = try SkewTriangle(context: LayerContext(inputs: n, outputs: n, depth: 1, index: 0), family: "cayley")
        let (a, b) = (LayerTests.random(n, 3, "a"), LayerTests.random(n, 3, "b"))
        var (panel, packed) = (Matrix(rows: triangle.panelShape.rows, columns: n), AlignedVector(count: n * (n - 1) / 2))
        do {
            var span = packed.mutableSpan
            triangle.writeGradient(factor: 2, a.view, b.view, panel: &panel, into: &span)
        }
        var full = Matrix(rows: n, columns: n)
        do {
            var view = full.mutableView
            triangle.expand(packed.span, diagonal: 5, into: &view)
        }
        for i in 0..<n {
            #expect(full[i, i] == 5)
            for j in i + 1..<max(n, i + 1) {
                let exact = (0..<3).reduce(0.0) {
                    $0 + 2 * (Double(a[i, $1]) * Double(b[j, $1]) - Double(b[i, $1]) * Double(a[j, $1]))
                }
                #expect(abs(Double(full[i, j]) - exact) < 1e-5 && full[j, i] == -full[i, j])
            }
        }
    }

    @Test("begin as the identity, or as turns by up to a quarter in pairs of units", arguments: [6, 7])
    func starts(width: Int) throws {
        let identity = try LonePath("cayley", inputs: width, outputs: width).jacobian(Matrix(rows: width, columns: 1))
        for i in 0..<width { for j in 0..<width { #expect(identity[i, j] == (i == j ? 1 : 0)) } }
        let turns = try LonePath("cayley", ["init": "rotations"], inputs: width, outputs: width)
        let q = turns.jacobian(Matrix(rows: width, columns: 1))
        for i in 0..<width {
            for j in 0..<width where i / 2 != j / 2 { #expect(q[i, j] == 0) }
            #expect(q[i, i] > -1e-6 && (q[i, i] < 1 || i == width - 1))
        }
        #expect(abs(q[0, 0] - q[1, 1]) < 1e-6 && abs(q[0, 1] + q[1, 0]) < 1e-6)
    }

    @Test("parameters that are not finite make outputs that are no numbers, and no certificate")
    func diverged() throws {
        var lone = try LonePath("cayley", inputs: 4, outputs: 4)
        lone.update(block: 0) { offset, _ in offset == 1 ? .infinity : 1 }
        #expect(lone.forward(LayerTests.random(4, 1, "x"))[0, 0].isNaN)
        #expect(throws: LAPACKError.notFinite(routine: "getrf")) { try lone.certificate() }
    }

    @Test("refuse one unit, and maps that are not square")
    func refusals() {
        #expect(
            SpecificationTests.refusal {
                $0.path = PathSpecification(family: "cayley")
                $0.width = 1
            } == "model.path.family: got cayley, expected a width of 2 or more, as the one skew number is 0")
        #expect(throws: SpecificationError.self) { try LonePath("cayley", inputs: 4, outputs: 3) }
    }
}
