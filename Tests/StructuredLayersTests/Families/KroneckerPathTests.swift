import LinearAlgebra
import Testing

@testable import StructuredLayers

extension KroneckerPath: NaivePath {
    /// The rows of A ⊗ B one by one: entry (i, j) is A[i / q, j / q′]·B[i mod q, j mod q′].
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        (0..<a.rows * b.rows).map { i in
            x.indices.reduce(Traced(0)) { sum, j in
                let left = blocks[0][i / b.rows * a.columns + j / b.columns]
                return sum + left * blocks[1][i % b.rows * b.columns + j % b.columns] * x[j]
            }
        }
    }
}

@Suite("Kronecker paths")
struct KroneckerPathTests {
    static func path(_ options: [String: OptionValue], _ inputs: Int, _ outputs: Int) throws -> PathUnderTest {
        try PathUnderTest(PathSpecification(family: "kronecker", options: options), inputs: inputs, outputs: outputs)
    }

    @Test("factor as evenly as the sizes allow unless told otherwise")
    func factors() throws {
        func shapes(_ options: [String: OptionValue], _ inputs: Int, _ outputs: Int) throws -> [[Int]] {
            try Self.path(options, inputs, outputs).family.blocks.map(\.shape)
        }
        #expect(try shapes([:], 1024, 1024) == [[32, 32], [32, 32]])
        #expect(try shapes([:], 128, 128) == [[8, 8], [16, 16]])
        #expect(try shapes([:], 784, 128) == [[8, 28], [16, 28]])
        #expect(try shapes(["rows": 16], 64, 64) == [[16, 16], [4, 4]])
        #expect(try shapes(["rows": 2, "columns": 8], 64, 64) == [[2, 8], [32, 8]])
    }

    @Test("begin orthogonal")
    func orthogonal() throws {
        for value in try #require(Self.path([:], 36, 36).analyticSpectrum()) { #expect(abs(value - 1) < 1e-6) }
        for value in try #require(Self.path([:], 36, 72).analyticSpectrum()) { #expect(abs(value - 1) < 1e-6) }
    }

    @Test("share the step of a dense layer between the factors")
    func multipliers() throws {
        let square = try Self.path(["rows": 16], 64, 64)
        #expect(square.family.blocks.map(\.learningRateMultiplier) == [2, 8])
        let wide = try Self.path(["rows": 2, "columns": 5], 60, 8)
        #expect(wide.family.blocks.map(\.learningRateMultiplier) == [6, 2.5])
    }

    @Test("refuse splits that do not divide")
    func refusals() {
        func refusal(_ options: [String: OptionValue]) -> String {
            do {
                _ = try Self.path(options, 10, 12)
                return "accepted"
            } catch { return "\(error)" }
        }
        #expect(refusal(["rows": 5]) == "model.path.rows: got 5, expected one of 1, 2, 3, 4, 6, 12, the divisors of the 12 outputs")
        #expect(refusal(["columns": 3]) == "model.path.columns: got 3, expected one of 1, 2, 5, 10, the divisors of the 10 inputs")
        #expect(refusal(["factor": 3]).contains("no such option of the family kronecker: its options are columns, rows"))
    }
}
