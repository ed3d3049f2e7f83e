import Foundation
import LinearAlgebra
import SpectralDiagnostics
import StructuredLayers
import Testing

@Suite("D10: the Lyapunov spectrum of a product")
struct LyapunovTests {
    static func spectrum(_ layers: [Matrix], count: Int? = nil) -> LyapunovSpectrum {
        LyapunovSpectrum(layers: layers.count, inputs: layers[0].columns, count: count ?? layers[0].columns) {
            Oracle.product(layers[$0], $1)
        }
    }

    @Test("Gaussian products: every exponent within four standard errors of the law, at a depth where the product underflows")
    func gaussianLaw() throws {
        let (n, depth) = (64, 512)
        let layers = (0..<depth).map { Oracle.gaussian(n, n, seed: UInt64($0), deviation: 1 / Float(n).squareRoot()) }
        let spectrum = Self.spectrum(layers)
        let law = try Oracle.lines("gaussian")
        #expect(law.count == n && spectrum.exponents.count == n)
        for (index, line) in law.enumerated() {
            #expect(abs(spectrum.exponents[index] - line[1]) < 4 * line[2], "exponent \(index)")
        }
        // The product itself: σ_min ≈ 10^(−512·1.0) is far below what float64 holds.
        #expect(spectrum.smallestDecades.number! < -400 && abs(spectrum.largestDecades.number!) < 5)
    }

    @Test("the extreme singular values of products are those of arithmetic with 400 digits")
    func highPrecision() throws {
        for line in try Oracle.lines("product") {
            let (n, depth) = (Int(line[0]), Int(line[1]))
            let spectrum = Self.spectrum((0..<depth).map { Oracle.lattice(n, n, $0, scale: Float(line[2])) })
            // Every layer errs by about ε times its condition; 3e-5 decades a layer are a few hundred ε.
            let tolerance = 3e-5 * Double(depth).squareRoot()
            #expect(abs(spectrum.largestDecades.number! - line[3]) < tolerance, "\(line) \(spectrum.largestDecades)")
            #expect(abs(spectrum.smallestDecades.number! - line[4]) < tolerance, "\(line) \(spectrum.smallestDecades)")
        }
    }

    @Test("multiples of rotations: one exponent, at depths where the product overflows", arguments: [0.25, 1, 8] as [Float])
    func rotations(factor: Float) throws {
        let layers = try (0..<600).map { layer in
            var q = try LAPACK.qr(Oracle.gaussian(12, 12, seed: UInt64(layer)).view).q
            var span = q.mutableSpan
            VectorKernels.scale(&span, by: factor)
            return q
        }
        let spectrum = Self.spectrum(layers)
        for exponent in spectrum.exponents { #expect(abs(exponent - log(Double(factor))) < 1e-5) }
        let decades = 600 * log10(Double(factor))
        #expect(abs(spectrum.largestDecades.number! - decades) < 2e-3 && abs(spectrum.smallestDecades.number! - decades) < 2e-3)
    }

    @Test("their sum is the logarithm of the determinant")
    func determinant() throws {
        let layers = (0..<7).map { Oracle.lattice(3, 3, $0 + 2) }
        func determinant(_ a: Matrix) -> Double {
            let m = DoubleMatrix(a.view)
            return m[0, 0] * (m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1]) - m[0, 1] * (m[1, 0] * m[2, 2] - m[1, 2] * m[2, 0])
                + m[0, 2] * (m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0])
        }
        let expected = layers.reduce(0) { $0 + log(abs(determinant($1))) }
        #expect(abs(Self.spectrum(layers).exponents.reduce(0, +) * 7 - expected) < 1e-4)
    }

    @Test("a few directions find the largest exponents of many")
    func fewDirections() {
        let layers = (0..<200).map { Oracle.gaussian(32, 32, seed: UInt64($0), deviation: 0.2) }
        let (all, few) = (Self.spectrum(layers), Self.spectrum(layers, count: 5))
        for index in 0..<4 { #expect(abs(all.exponents[index] - few.exponents[index]) < 0.02) }
        #expect(few.smallestDecades.reason == "only the 5 largest directions are followed")
    }

    @Test("lost rank: as many exponents as directions are left, and they are right")
    func lostRank() {
        // Layer 3 copies unit 0 to unit 1: rank 4 of 5 from there on. Layer 6 forgets units 2 and 3.
        var layers = (0..<9).map { _ in Matrix.identity(5) }
        layers[3][1, 1] = 0
        layers[3][1, 0] = 1
        let once = Self.spectrum(layers)
        #expect(once.exponents.count == 4 && once.count == 5)
        #expect(once.smallestDecades.reason == "the Jacobian has lost rank: 4 of 5 directions are left")
        #expect(abs(once.largestDecades.number! - log10(2) / 2) < 1e-6)
        (layers[6][2, 2], layers[6][3, 3]) = (0, 0)
        let twice = Self.spectrum(layers)
        #expect(twice.exponents.count == 2)
        #expect(abs(twice.largestDecades.number! - log10(2) / 2) < 1e-6)
        let zero = Self.spectrum([Matrix.identity(3), Matrix(rows: 3, columns: 3), Matrix.identity(3)])
        #expect(zero.exponents.isEmpty && zero.largestDecades.reason == "the Jacobian is zero")
    }

    @Test("a layer that forgets the strongest direction leaves the others")
    func lostLeader() throws {
        let basis = try LAPACK.qr(Oracle.gaussian(3, 3, seed: 8).view).q
        func layer(_ values: [Float], turnsBack: Bool) -> Matrix {
            var (scaled, turned) = (basis, Matrix(rows: 3, columns: 3))
            for row in 0..<3 { for column in 0..<3 { scaled[row, column] *= values[column] } }
            // diag(values)·basisᵀ, in whose first row a zero is exact, and basis·diag(values)·basisᵀ.
            var transposed = Matrix(rows: 3, columns: 3)
            for row in 0..<3 { for column in 0..<3 { transposed[row, column] = scaled[column, row] } }
            if !turnsBack { return transposed }
            var view = turned.mutableView
            BLAS.gemm(scaled.view, basis.view, transposeB: true, into: &view)
            return turned
        }
        let strong = layer([10, 1, 0.5], turnsBack: true)
        let spectrum = Self.spectrum(
            Array(repeating: strong, count: 20) + [layer([0, 1, 0.5], turnsBack: false), Matrix.identity(3)])
        // Rounding leaves of the strongest column something within the others' span, where it must not stand for one of them.
        #expect(spectrum.exponents.count == 2)
        // 1e20·ε is more than the other directions are.
        #expect(spectrum.largestDecades.reason == "rounding hides what is left of the product")
    }

    @Test("hard inputs: not a number, 1 × 1, wider and wider")
    func hard() {
        var broken = Matrix.identity(3)
        broken[1, 2] = .nan
        let spectrum = Self.spectrum([Matrix.identity(3), broken])
        #expect(spectrum.failure == "a layer's Jacobian is not finite" && spectrum.largestDecades.reason == spectrum.failure)
        let one = Self.spectrum([Matrix(rows: 1, columns: 1, elements: [-4]), Matrix(rows: 1, columns: 1, elements: [0.5])])
        #expect(abs(one.exponents[0] - log(2) / 2) < 1e-7 && abs(one.smallestDecades.number! - log10(2)) < 1e-6)
        let wider = Self.spectrum([Matrix(rows: 3, columns: 1, elements: [3, 0, 4]), Matrix.identity(3)])
        #expect(abs(wider.largestDecades.number! - log10(5)) < 1e-6 && abs(wider.smallestDecades.number! - log10(5)) < 1e-6)
    }
}
