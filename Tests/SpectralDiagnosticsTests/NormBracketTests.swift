import Foundation
import LinearAlgebra
import Testing

@testable import SpectralDiagnostics

/// golden/norms.txt, made by Tests/Oracles/norms.py.
private enum Golden {
    static func lines(_ kind: String) throws -> [[String]] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Oracles/golden/norms.txt")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: " ").map(String.init)
        }
        .filter { $0[0] == kind }
    }

    /// The matrix that the generator calls so, to the bit.
    static func matrix(_ kind: String, seed: UInt32, _ rows: Int, _ columns: Int) -> Matrix {
        var (matrix, state) = (Matrix(rows: rows, columns: columns), seed)
        for i in 0..<rows {
            for j in 0..<columns {
                if kind == "hadamard" {
                    matrix[i, j] = (i & j).nonzeroBitCount.isMultiple(of: 2) ? 1 : -1
                    continue
                }
                var sum = 0.0
                for _ in 0..<4 {
                    state = state &* 1_664_525 &+ 1_013_904_223
                    sum += Double(state) / 4_294_967_296 - 0.5
                }
                if kind == "graded" { sum *= Double(sign: .plus, exponent: -(j % 7), significand: 1) }
                if kind == "spiked" { sum += Double((i % 5 - 2) * (j % 3 - 1)) / 8 }
                matrix[i, j] = Float(sum)
            }
        }
        return matrix
    }
}

private func reported(_ quantity: String, _ spectra: WeightSpectra) -> Double? {
    spectra.rows(layer: nil).first { $0.diagnostic == "D2" && $0.quantity == quantity }?.value.number
}

@Suite("D2: the bracket that is reported")
struct NormBracketTests {
    @Test("holds NumPy's σ₁ between ends that are close, whether all singular values are known or not", arguments: [16, 1024])
    func golden(completeUpTo: Int) throws {
        let cases = try Golden.lines("norm")
        #expect(cases.count == 75)
        for words in cases {
            let (exact, seed) = (Double(words[5])!, UInt32(words[2])!)
            let matrix = Golden.matrix(words[1], seed: seed, Int(words[3])!, Int(words[4])!)
            let spectra = WeightSpectra(of: [matrix], completeUpTo: completeUpTo, control: nil)
            #expect(spectra.spectrum.isComplete == (completeUpTo == 1024))
            let lower = try #require(reported("spectral_norm_lower", spectra))
            let upper = try #require(reported("spectral_norm_upper", spectra))
            // NumPy's own error is some ulp; Gram iteration stays within n^(2⁻⁸), 1.0225 at n = 300.
            let slack = exact * 1e-14
            #expect(lower <= exact + slack && exact <= upper + slack, "\(words) \(lower) \(upper)")
            #expect(
                lower >= 0.999 * exact && upper <= (completeUpTo == 16 ? 1.0225 : 1 + 1e-9) * exact, "\(words) \(lower) \(upper)")
        }
    }

    @Test("is as close for a matrix wider than training completes")
    func wide() throws {
        let matrix = Oracle.gaussian(1100, 1030, seed: 1, deviation: 0.03)
        let exact = try #require(MatrixSpectrum(of: matrix.view, completeUpTo: 1100).spectralNorm.number)
        let spectra = WeightSpectra(of: [matrix], control: nil)
        let (lower, upper) = (reported("spectral_norm_lower", spectra)!, reported("spectral_norm_upper", spectra)!)
        #expect(lower <= exact && exact <= upper && lower > 0.99 * exact && upper < 1.03 * exact, "\(lower) \(exact) \(upper)")
    }

    @Test("Gram iteration is above gesdd at every scale", arguments: [(1, 1), (1, 40), (40, 1), (64, 64), (30, 90), (200, 70)])
    func gram(shape: (Int, Int)) throws {
        for scale in [1e-15, 1, 1e15] as [Float] {
            for seed in 0..<5 as Range<UInt64> {
                let matrix = Oracle.gaussian(shape.0, shape.1, seed: seed, deviation: scale)
                let exact = try LAPACK.singularValues(DoubleMatrix(matrix.view))[0]
                let bound = NormBracket.gramBound(matrix.view)
                #expect(exact <= bound && bound < 1.03 * exact, "\(scale) \(exact) \(bound)")
            }
        }
        #expect(NormBracket.gramBound(Matrix(rows: shape.0, columns: shape.1).view) == 0)
    }

    @Test("has reasons where there is no norm")
    func reasons() {
        let bad = Matrix(rows: 2, columns: 2, elements: [.nan, 1, 1, 1])
        for (matrix, reason) in [(bad, "the matrix holds NaN or infinity"), (Matrix(rows: 0, columns: 4), "the matrix is empty")] {
            let bracket = WeightSpectra(of: [matrix], completeUpTo: 1, control: nil).bracket
            #expect(bracket.lower.reason == reason && bracket.upper.reason == reason)
        }
    }
}

@Suite("The tail of the Tracy–Widom law")
struct TracyWidomTests {
    @Test("equals the Fredholm determinant's quantiles")
    func golden() throws {
        let cases = try Golden.lines("quantile")
        #expect(cases.count == 8)
        for words in cases {
            let found = TracyWidom.upperQuantile(0.01 / Double(words[1])!)
            #expect(abs(found - Double(words[2])!) < 0.005, "\(words) \(found)")
        }
    }
}
