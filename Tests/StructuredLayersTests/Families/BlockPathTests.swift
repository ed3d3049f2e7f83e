import LinearAlgebra
import Testing

@testable import StructuredLayers

extension BlockDiagonalPath: NaivePath {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        let (k, p, q) = (product.count, product.rows, product.columns)
        var y = [Traced](repeating: 0, count: k * p)
        for block in 0..<k {
            for i in 0..<p {
                let sum = (0..<q).reduce(Traced(0)) { $0 + blocks[0][(block * p + i) * q + $1] * x[block * q + $1] }
                y[product.interleaves ? i * k + block : block * p + i] = sum
            }
        }
        return y
    }
}

extension BlockTensorTrainFamily {
    /// The sum of the definition, entry by entry.
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        let (k, l, n, m) = (train.first.count, train.second.count, train.first.inputs, train.second.outputs)
        let r = train.first.rows / l
        func right(_ gamma: Int, _ beta: Int, _ rho: Int, _ delta: Int) -> Traced {
            blocks[0][(gamma * l * r + beta * r + rho) * (n / k) + delta]
        }
        func left(_ beta: Int, _ alpha: Int, _ rho: Int, _ gamma: Int) -> Traced {
            blocks[1][(beta * (m / l) + alpha) * r * k + rho * k + gamma]
        }
        var y = [Traced](repeating: 0, count: m)
        for alpha in 0..<m / l {
            for beta in 0..<l {
                for rho in 0..<r {
                    for gamma in 0..<k {
                        let inner = (0..<n / k).reduce(Traced(0)) { $0 + right(gamma, beta, rho, $1) * x[gamma * (n / k) + $1] }
                        y[alpha * l + beta] += left(beta, alpha, rho, gamma) * inner
                    }
                }
            }
        }
        return y
    }
}

extension BlockTensorTrainPath: NaivePath {}
extension MonarchPath: NaivePath {}

@Suite("Paths of blocks")
struct BlockPathTests {
    static func path(_ family: String, _ options: [String: OptionValue], _ inputs: Int, _ outputs: Int) throws -> PathUnderTest {
        try PathUnderTest(PathSpecification(family: family, options: options), inputs: inputs, outputs: outputs)
    }

    static func shapes(_ family: String, _ options: [String: OptionValue], _ inputs: Int, _ outputs: Int) throws -> [[Int]] {
        try path(family, options, inputs, outputs).family.blocks.map(\.shape)
    }

    static func refusal(_ family: String, _ options: [String: OptionValue], _ inputs: Int, _ outputs: Int) -> String {
        do {
            _ = try path(family, options, inputs, outputs)
            return "accepted"
        } catch { return "\(error)" }
    }

    @Test("cut the units as their options say, and keep full rank by default")
    func blocks() throws {
        #expect(try Self.shapes("block-diagonal", ["blocks": 8], 1024, 1024) == [[8, 128, 128]])
        #expect(try Self.shapes("block-diagonal", [:], 1024, 1024) == [[32, 32, 32]])
        #expect(try Self.shapes("monarch", ["blocks": 32], 1024, 1024) == [[32, 32, 32], [32, 32, 32]])
        #expect(try Self.shapes("monarch", ["blocks": 8], 1024, 1024) == [[8, 128, 128], [8, 128, 128]])
        #expect(try Self.shapes("monarch", [:], 128, 128) == [[8, 16, 16], [8, 16, 16]])
        #expect(try Self.shapes("monarch", ["blocks": 4], 784, 64) == [[4, 16, 196], [4, 16, 16]])
        #expect(try Self.shapes("block-tensor-train", ["rank": 2], 1024, 1024) == [[32, 64, 32], [32, 32, 64]])
        #expect(try Self.shapes("block-tensor-train", [:], 128, 128) == [[8, 16, 16], [16, 8, 8]])
        #expect(try Self.shapes("block-tensor-train", [:], 784, 128) == [[28, 8, 28], [8, 16, 28]])
    }

    @Test(
        "are orthogonal when their blocks are",
        arguments: [("monarch", 16, 16), ("block-tensor-train", 20, 20), ("block-diagonal", 12, 12)])
    func orthogonal(family: String, inputs: Int, outputs: Int) throws {
        let path = try Self.path(family, ["init": "orthogonal"], inputs, outputs)
        let gram = DoubleMatrix(path.materialised().view).smallerGram()
        for i in 0..<inputs { for j in 0..<inputs { #expect(abs(gram[i, j] - (i == j ? 1 : 0)) < 2e-6) } }
        let bounds = try path.certificate()
        #expect(bounds.lower > 1 - 1e-5 && bounds.upper < 1 + 1e-5)
    }

    @Test("promise no lower bound when the first core widens and the second narrows")
    func widening() throws {
        let path = try Self.path("block-tensor-train", ["rank": 2], 16, 16)
        #expect(try path.certificate().lower == 0)
        #expect(try path.certificate().upper > 0.5)
    }

    @Test("mix by their stride permutation: two layers of √n blocks reach every unit from every unit")
    func mixing() throws {
        let (mixes, keeps) = (
            try Self.path("block-diagonal", [:], 16, 16).materialised(),
            try Self.path("block-diagonal", ["mixing": false], 16, 16).materialised()
        )
        func nonzeros(_ s: Matrix) -> Int {
            var (product, count) = (Matrix(rows: 16, columns: 16), 0)
            do {
                var view = product.mutableView
                BLAS.gemm(s.view, s.view, into: &view)
            }
            for i in 0..<16 { for j in 0..<16 where product[i, j] != 0 { count += 1 } }
            return count
        }
        #expect(nonzeros(mixes) == 256)
        #expect(nonzeros(keeps) == 64)
    }

    @Test("give each core the step of a dense layer of its inputs, shared between the cores")
    func multipliers() throws {
        #expect(try Self.path("block-diagonal", ["blocks": 8], 64, 64).family.blocks.map(\.learningRateMultiplier) == [8])
        #expect(try Self.path("monarch", ["blocks": 8], 64, 64).family.blocks.map(\.learningRateMultiplier) == [4, 4])
        let train = try Self.path("block-tensor-train", ["rank": 2], 64, 64)
        #expect(train.family.blocks.map(\.learningRateMultiplier) == [4, 2])
    }

    @Test("refuse what does not divide, with what does")
    func refusals() {
        #expect(
            Self.refusal("block-diagonal", ["blocks": 4], 10, 10)
                == "model.path.blocks: got 4, expected one of 1, 2, 5, 10, the divisors of the width")
        #expect(
            Self.refusal("block-diagonal", ["blocks": 4], 12, 18)
                == "model.path.blocks: got 4, expected one of 1, 2, 3, 6, the divisors of the inputs and the outputs")
        #expect(
            Self.refusal("monarch", ["blocks": 3], 16, 16)
                == "model.path.blocks: got 3, expected one of 2, 4, the numbers whose squares divide the width")
        #expect(
            Self.refusal("monarch", [:], 10, 10)
                == "model.path.family: got monarch, expected a family that cuts 10 inputs and 10 outputs into blocks, as "
                + "block-tensor-train does; monarch needs a number of blocks that divides both and whose square divides the smaller"
        )
        #expect(
            Self.refusal("block-tensor-train", ["inputBlocks": 3], 8, 12)
                == "model.path.inputBlocks: got 3, expected one of 1, 2, 4, 8, the divisors of the 8 inputs")
        #expect(
            Self.refusal("block-tensor-train", ["outputBlocks": 5], 8, 12)
                == "model.path.outputBlocks: got 5, expected one of 1, 2, 3, 4, 6, 12, the divisors of the 12 outputs")
        #expect(
            Self.refusal("block-tensor-train", ["rank": 5], 16, 16)
                == "model.path.rank: got 5, expected 1…4, the smaller side of a block")
        #expect(
            Self.refusal("block-tensor-train", ["rank": 2, "init": "orthogonal"], 16, 16)
                == "model.path.init: got orthogonal, expected gaussian, as the map goes through 32 units: orthogonal cores make an "
                + "orthogonal map only if both widen or both narrow")
        #expect(Self.refusal("monarch", ["rank": 2], 16, 16).contains("its options are blocks, init"))
    }
}
