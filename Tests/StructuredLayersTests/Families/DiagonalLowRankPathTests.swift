import LinearAlgebra
import Testing

@testable import StructuredLayers

extension DiagonalLowRankPath: NaivePath {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        let z = Naive.mix(x, mixing)
        let low = rank == 0 ? nil : Naive.multiply(blocks[1], Naive.multiply(blocks[2], z, rows: rank), rows: width)
        return z.indices.map { blocks[0][$0] * z[$0] + (low?[$0] ?? 0) }
    }
}

@Suite("Diagonal plus low rank")
struct DiagonalLowRankPathTests {
    static func path(_ options: [String: OptionValue], _ width: Int, perturbation: Float = 0) throws -> PathUnderTest {
        try PathUnderTest(
            PathSpecification(family: "diagonal-low-rank", options: options), inputs: width, outputs: width,
            perturbation: perturbation)
    }

    @Test("begins as the signed permutation, another one in every layer")
    func start() throws {
        let first = try Self.path(["rank": 3], 12).materialised()
        for i in 0..<12 {
            let entries = (0..<12).map { first[i, $0] }
            #expect(entries.filter { $0 != 0 }.count == 1 && entries.map(abs).max() == 1)
        }
        let second = try PathUnderTest(
            PathSpecification(family: "diagonal-low-rank"), inputs: 12, outputs: 12, index: 2
        ).materialised()
        #expect((0..<144).contains { first.span[$0] != second.span[$0] })
    }

    @Test("has a norm of the low-rank part that is the norm and no less, however the factors cancel", arguments: [1, 2, 5, 10])
    func norm(rank: Int) throws {
        let (up, down) = (PathUnderTest.random(10, rank, "up"), PathUnderTest.random(rank, 10, "down"))
        var product = Array(repeating: 0.0, count: 100)
        for i in 0..<10 { for j in 0..<10 { for k in 0..<rank { product[i * 10 + j] += Double(up[i, k]) * Double(down[k, j]) } } }
        let exact = Naive.spectralNorm(product.map { Traced($0) }, rows: 10, columns: 10).value
        let bound = try LowRankNorm.upperBound(up: up.view, down: down.view)
        #expect(bound >= exact * (1 - 1e-12) && bound <= exact * (1 + 1e-10))
        // u·vᵀ − u·vᵀ: the factors are large and the product is zero.
        var (twice, opposite) = (Matrix(rows: 10, columns: 2), Matrix(rows: 2, columns: 10))
        for i in 0..<10 {
            (twice[i, 0], twice[i, 1], opposite[0, i], opposite[1, i]) = (up[i, 0], up[i, 0], down[0, i], -down[0, i])
        }
        #expect(try LowRankNorm.upperBound(up: twice.view, down: opposite.view) < 1e-5)
    }

    @Test("certifies the interval around the diagonal that the norm leaves")
    func certificate() throws {
        var path = try Self.path(["rank": 1], 8)
        let places = path.places
        path.set { all in
            for i in 0..<8 { all[places[0].lowerBound + i] = i == 3 ? -0.5 : 2 }
            for i in 0..<8 { (all[places[1].lowerBound + i], all[places[2].lowerBound + i]) = (i == 0 ? 0.3 : 0, i == 5 ? 1 : 0) }
        }
        let bounds = try path.certificate()
        #expect(abs(bounds.lower - 0.2) < 1e-5 && abs(bounds.upper - 2.3) < 1e-5)
    }

    @Test("carries the multipliers of a diagonal and of low-rank factors")
    func multipliers() throws {
        #expect(try Self.path(["rank": 4], 64).family.blocks.map(\.learningRateMultiplier) == [64, 8, 0.5])
        #expect(try Self.path(["rank": 0], 64).family.blocks.map(\.name) == ["diagonal"])
    }

    @Test("refuses a rank above the width, and shapes that are not square")
    func refusals() {
        #expect(throws: SpecificationError(keyPath: "model.path.rank", value: "9", expectation: "0…8, the width")) {
            try Self.path(["rank": 9], 8)
        }
        #expect(throws: SpecificationError.self) {
            try PathUnderTest(PathSpecification(family: "diagonal-low-rank"), inputs: 4, outputs: 5)
        }
    }
}
