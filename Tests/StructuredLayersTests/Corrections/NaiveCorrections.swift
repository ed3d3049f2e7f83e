import Foundation
import LinearAlgebra

@testable import StructuredLayers

extension BottleneckCorrection: NaiveCorrection {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        let h = Naive.activate(zip(Naive.multiply(blocks[1], x, rows: rank), blocks[2]).map { $0 + $1 }, activation)
        return Naive.multiply(blocks[0], h, rows: outputs)
    }

    func naiveBound(_ blocks: [[Traced]]) -> Traced {
        Naive.spectralNorm(blocks[0], rows: outputs, columns: rank) * Naive.spectralNorm(blocks[1], rows: rank, columns: inputs)
    }
}

extension LowRankCorrection: NaiveCorrection {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        Naive.multiply(blocks[0], Naive.multiply(blocks[1], x, rows: rank), rows: outputs)
    }

    /// Of the product, written out.
    func naiveBound(_ blocks: [[Traced]]) -> Traced {
        var product = [Traced](repeating: 0, count: outputs * inputs)
        for i in 0..<outputs {
            for j in 0..<inputs {
                for k in 0..<rank { product[i * inputs + j] += blocks[0][i * rank + k] * blocks[1][k * inputs + j] }
            }
        }
        return Naive.spectralNorm(product, rows: outputs, columns: inputs)
    }
}

extension GatedLowRankCorrection: NaiveCorrection {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        let gate = 1 / (1 + exp(-Naive.multiply(blocks[2], x, rows: 1)[0]))
        let h = Naive.multiply(blocks[1], x, rows: rank).map { tanh($0) }
        return Naive.multiply(blocks[0], h, rows: outputs).map { gate * $0 }
    }

    func naiveBound(_ blocks: [[Traced]]) -> Traced {
        let gate = blocks[2].reduce(0) { $0 + $1 * $1 }.squareRoot()
        return Naive.spectralNorm(blocks[0], rows: outputs, columns: rank)
            * (Naive.spectralNorm(blocks[1], rows: rank, columns: inputs) + gate * Traced(Double(rank).squareRoot() / 4))
    }
}

extension DenseCorrection: NaiveCorrection {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        Naive.activate(zip(Naive.multiply(blocks[0], x, rows: outputs), blocks[1]).map { $0 + $1 }, activation)
    }

    func naiveBound(_ blocks: [[Traced]]) -> Traced { Naive.spectralNorm(blocks[0], rows: outputs, columns: inputs) }
}
