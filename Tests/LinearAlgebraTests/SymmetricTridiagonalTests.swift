import LinearAlgebra
import Testing

@Suite("Eigenvalues of tridiagonal matrices")
struct SymmetricTridiagonalTests {
    struct Sample: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var matrix: SymmetricTridiagonal

        init(_ name: String, _ count: Int, _ diagonal: (Int) -> Double, _ beside: (Int) -> Double) {
            testDescription = name
            matrix = SymmetricTridiagonal(diagonal: (0..<count).map(diagonal), beside: (0..<count).map(beside))
        }
    }

    static func normal(_ purpose: String) -> (Int) -> Double {
        let values = VectorKernelTests.random(400, purpose: purpose)
        return { Double(values[$0]) }
    }

    static let samples = [
        Sample("one row", 1, { _ in -3 }, { _ in .nan }),
        Sample("two rows", 2, { Double($0) }, { _ in 2 }),
        Sample("random", 257, normal("d"), normal("e")),
        Sample("random, small", 7, normal("d"), normal("e")),
        Sample("of zeros", 30, { _ in 0 }, { _ in 0 }),
        Sample("a diagonal, not in order", 40, { Double(($0 * 17) % 40) }, { _ in 0 }),
        Sample("second differences", 300, { _ in 2 }, { _ in -1 }),
        Sample("pairs closer than rounding", 41, { abs(Double($0 - 20)) }, { _ in 1 }),
        Sample("graded downwards", 60, { 1 / Double(1 << $0) }, { 0.3 / Double(1 << $0) }),
        Sample("graded upwards", 60, { Double(1 << $0) }, { 0.3 * Double(1 << $0) }),
        Sample(
            "graded over more than float64's squares", 30, { Double(sign: .plus, exponent: -30 * $0, significand: 1) },
            { _ in 1e-200 }),
        Sample("huge", 50, { 1e300 * Double($0 % 7) }, { _ in 3e299 }),
        Sample("tiny", 50, { 1e-300 * Double($0 % 7) }, { _ in 3e-301 }),
        Sample("in blocks", 90, { Double($0 % 9) }, { $0 % 9 == 8 ? 0 : 1e-3 }),
        Sample("without a diagonal", 101, { _ in 0 }, { _ in 1 }),
        Sample("a block too small for the reciprocal of its squares", 40, { $0 < 20 ? 1 : 0 }, { $0 < 20 ? 0.5 : 1e-153 }),
        Sample("blocks of all sizes", 100, { _ in 0 }, { Double(sign: .plus, exponent: -12 * ($0 / 3), significand: 1) }),
    ]

    /// By LAPACK's syevd on the dense matrix, which errs by some ε of the largest.
    static func dense(_ matrix: SymmetricTridiagonal) throws -> [Double] {
        let n = matrix.diagonal.count
        var full = DoubleMatrix(rows: n, columns: n)
        for i in 0..<n {
            full[i, i] = matrix.diagonal[i]
            if i + 1 < n { (full[i, i + 1], full[i + 1, i]) = (matrix.beside[i], matrix.beside[i]) }
        }
        return try LAPACK.symmetricEigenvalues(full)
    }

    @Test("they are LAPACK's but for rounding", arguments: samples)
    func oracle(sample: Sample) throws {
        let (found, exact) = (try sample.matrix.eigenvalues(), try Self.dense(sample.matrix))
        let largest = exact.reduce(0) { max($0, abs($1)) }
        #expect(found.count == exact.count && found == found.sorted())
        for (value, truth) in zip(found, exact) { #expect(abs(value - truth) <= 4e-14 * largest, "\(value) \(truth)") }
    }

    @Test("two at a time have the bits of one alone")
    func pairs() throws {
        for first in Self.samples {
            for second in Self.samples {
                let (a, b) = SymmetricTridiagonal.eigenvalues(first.matrix, second.matrix)
                #expect(try a.get() == first.matrix.eigenvalues() && b.get() == second.matrix.eigenvalues())
            }
        }
    }

    @Test("one that is not finite takes the other's from nobody")
    func apart() throws {
        let (good, bad) = (Self.samples[2].matrix, SymmetricTridiagonal(diagonal: [1, .nan, 1], beside: [1, 1, 0]))
        let (first, second) = (SymmetricTridiagonal.eigenvalues(good, bad), SymmetricTridiagonal.eigenvalues(bad, good))
        #expect(try first.0.get() == good.eigenvalues() && second.1.get() == good.eigenvalues())
        #expect(first.1 == .failure(.notFinite(routine: "tridiagonal QL")) && second.0 == first.1)
    }

    @Test("the second difference's are 2 − 2·cos(kπ/(n + 1)); what is not finite is refused")
    func closedForm() throws {
        let found = try SymmetricTridiagonal(diagonal: [2, 2, 2], beside: [-1, -1, 0]).eigenvalues()
        for (value, exact) in zip(found, [2 - 2.0.squareRoot(), 2, 2 + 2.0.squareRoot()]) { #expect(abs(value - exact) < 1e-15) }
        for bad in [Double.nan, .infinity] {
            #expect(throws: LAPACKError.notFinite(routine: "tridiagonal QL")) {
                try SymmetricTridiagonal(diagonal: [1, bad], beside: [0, 0]).eigenvalues()
            }
            #expect(throws: LAPACKError.notFinite(routine: "tridiagonal QL")) {
                try SymmetricTridiagonal(diagonal: [1, 1], beside: [bad, 0]).eigenvalues()
            }
        }
    }
}
