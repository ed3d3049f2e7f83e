import Foundation
import LinearAlgebra

@testable import StructuredLayers

/// A path again, naively, in float64 on one example. Every family's test file conforms its family to this.
protocol NaivePath {
    /// S(x); `blocks` are the family's blocks in declared order.
    func naive(_ x: [Double], _ blocks: [[Double]]) -> [Double]
}

/// A correction kind again, naively, without scale and cap.
protocol NaiveCorrection {
    /// R(x).
    func naive(_ x: [Double], _ blocks: [[Double]]) -> [Double]
    /// The bound on Lip(R) that the cap works with.
    func naiveBound(_ blocks: [[Double]]) -> Double
}

enum Naive {
    /// a·x for a row-major matrix of x.count columns.
    static func multiply(_ a: [Double], _ x: [Double], rows: Int) -> [Double] {
        let columns = x.count
        return (0..<rows).map { i in (0..<columns).reduce(0) { $0 + a[i * columns + $1] * x[$1] } }
    }

    static func activate(_ x: [Double], _ activation: Activation) -> [Double] {
        switch activation {
        case .none: x
        case .relu: x.map { max(0, $0) }
        case .tanh: x.map { tanh($0) }
        }
    }

    /// The largest singular value of [rows, columns], by power iteration on the smaller Gram matrix, to convergence.
    static func spectralNorm(_ a: [Double], rows: Int, columns: Int) -> Double {
        let (size, length) = (min(rows, columns), max(rows, columns))
        func element(_ i: Int, _ k: Int) -> Double { rows <= columns ? a[i * columns + k] : a[k * columns + i] }
        let gram = (0..<size).map { i in (0..<size).map { j in (0..<length).reduce(0.0) { $0 + element(i, $1) * element(j, $1) } } }
        var v = (0..<size).map { 1 + Double($0 % 3) * 0.1 }
        var norm = 0.0
        for _ in 0..<400 {
            let u = gram.map { row in zip(row, v).reduce(0) { $0 + $1.0 * $1.1 } }
            let last = norm
            norm = u.reduce(0) { $0 + $1 * $1 }.squareRoot()
            v = u.map { $0 / norm }
            // The norm is nearer to its limit than the vector is, by the square.
            if abs(norm - last) <= 1e-16 * norm { break }
        }
        return norm.squareRoot()
    }
}

extension IdentityPath: NaivePath {
    func naive(_ x: [Double], _ blocks: [[Double]]) -> [Double] { x }
}

extension DensePath: NaivePath {
    func naive(_ x: [Double], _ blocks: [[Double]]) -> [Double] { Naive.multiply(blocks[0], x, rows: width) }
}

extension HouseholderPath: NaivePath {
    /// H₁⋯H_k·P·x, reflection after reflection: the last acts first.
    func naive(_ x: [Double], _ blocks: [[Double]]) -> [Double] {
        let n = width
        var y = (0..<n).map { Double(sign[$0]) * x[Int(source[$0])] }
        for k in (0..<reflectors).reversed() {
            let w = Array(blocks[0][k * n..<(k + 1) * n])
            let scale = 2 * zip(w, y).reduce(0) { $0 + $1.0 * $1.1 } / w.reduce(0) { $0 + $1 * $1 }
            for i in 0..<n { y[i] -= scale * w[i] }
        }
        return y
    }
}

extension BottleneckCorrection: NaiveCorrection {
    func naive(_ x: [Double], _ blocks: [[Double]]) -> [Double] {
        let h = Naive.activate(zip(Naive.multiply(blocks[1], x, rows: rank), blocks[2]).map { $0 + $1 }, activation)
        return Naive.multiply(blocks[0], h, rows: width)
    }

    func naiveBound(_ blocks: [[Double]]) -> Double {
        Naive.spectralNorm(blocks[0], rows: width, columns: rank) * Naive.spectralNorm(blocks[1], rows: rank, columns: width)
    }
}

/// The network again, naively, in float64 and example by example: the outside view that the fast code is held against.
///
/// Householder reflections are applied one by one, the cap's bound comes from power iteration, the loss from libm.
struct TwinNetwork {
    let network: Network
    var parameters: [Double]

    init(_ network: Network, _ vector: AlignedVector) {
        self.network = network
        parameters = (0..<vector.count).map { Double(vector.span[$0]) }
    }

    private func block(_ name: String) -> ParameterBlock? { network.layout.blocks.first { $0.name == name } }

    private func values(_ name: String) -> [Double]? { block(name).map { Array(parameters[$0.range]) } }

    /// The blocks of one part of a layer, in declared order.
    private func blocks(_ prefix: String) -> [[Double]] {
        network.layout.blocks.filter { $0.name.hasPrefix(prefix) }.map { Array(parameters[$0.range]) }
    }

    private func path(_ index: Int, _ x: [Double]) -> [Double] {
        guard let naive = network.layers[index].path as? any NaivePath else {
            preconditionFailure("\(type(of: network.layers[index].path)) has no naive twin")
        }
        return naive.naive(x, blocks("layers.\(index).path."))
    }

    private func correction(_ index: Int, _ x: [Double]) -> [Double] {
        guard let placed = network.layers[index].correction else { return Array(repeating: 0, count: x.count) }
        guard let kind = placed.kind as? any NaiveCorrection else {
            preconditionFailure("\(type(of: placed.kind)) has no naive twin")
        }
        let blocks = blocks("layers.\(index).correction.")
        var factor = 1.0
        if let budget = placed.budget { factor = min(1, budget / kind.naiveBound(blocks)) }
        if placed.scale == .rezero { factor *= values("layers.\(index).correction.scale")![0] }
        return kind.naive(x, blocks).map { factor * $0 }
    }

    func layer(_ index: Int, _ x: [Double]) -> [Double] {
        let bias = values("layers.\(index).bias") ?? Array(repeating: 0, count: x.count)
        let (p, c) = (path(index, x), correction(index, x))
        return Naive.activate(x.indices.map { p[$0] + c[$0] + bias[$0] }, network.layers[index].activation)
    }

    func outputs(_ input: [Double]) -> [Double] {
        let specification = network.specification
        var x = input
        if let weight = values("embedding.weight"), let bias = values("embedding.bias") {
            x = Naive.activate(
                zip(Naive.multiply(weight, input, rows: specification.width), bias).map { $0 + $1 },
                specification.embedding.activation)
        }
        for index in network.layers.indices { x = layer(index, x) }
        return zip(Naive.multiply(values("readout.weight")!, x, rows: specification.outputs), values("readout.bias")!).map {
            $0 + $1
        }
    }

    /// Summed over the examples.
    func loss(_ inputs: [[Double]], _ labels: [Int32]) -> Double {
        zip(inputs, labels).reduce(0) { total, example in
            var z = outputs(example.0)
            switch network.specification.loss {
            case .crossEntropy:
                let m = z.max()!
                return total + log(z.reduce(0) { $0 + exp($1 - m) }) - (z[Int(example.1)] - m)
            case .squaredError:
                z[Int(example.1)] -= 1
                return total + 0.5 * z.reduce(0) { $0 + $1 * $1 }
            }
        }
    }
}
