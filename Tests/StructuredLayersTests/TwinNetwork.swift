import Foundation
import LinearAlgebra

@testable import StructuredLayers

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

    private func multiply(_ a: [Double], _ x: [Double], rows: Int) -> [Double] {
        let columns = x.count
        return (0..<rows).map { i in (0..<columns).reduce(0) { $0 + a[i * columns + $1] * x[$1] } }
    }

    private func activate(_ x: [Double], _ activation: Activation) -> [Double] {
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
            norm = u.reduce(0) { $0 + $1 * $1 }.squareRoot()
            v = u.map { $0 / norm }
        }
        return norm.squareRoot()
    }

    private func path(_ index: Int, _ x: [Double]) -> [Double] {
        let n = network.specification.width
        switch network.layers[index].path {
        case is DensePath: return multiply(values("layers.\(index).path.weight")!, x, rows: n)
        case let householder as HouseholderPath:
            var y = (0..<n).map { Double(householder.sign[$0]) * x[Int(householder.source[$0])] }
            let v = values("layers.\(index).path.reflectors")!
            // H₁⋯H_k·y: the last reflection acts first.
            for k in (0..<householder.reflectors).reversed() {
                let w = Array(v[k * n..<(k + 1) * n])
                let scale = 2 * zip(w, y).reduce(0) { $0 + $1.0 * $1.1 } / w.reduce(0) { $0 + $1 * $1 }
                for i in 0..<n { y[i] -= scale * w[i] }
            }
            return y
        default: return x
        }
    }

    private func correction(_ index: Int, _ x: [Double]) -> [Double] {
        let n = network.specification.width
        guard let placed = network.layers[index].correction, let kind = placed.kind as? BottleneckCorrection else {
            return Array(repeating: 0, count: n)
        }
        let (up, down) = (values("layers.\(index).correction.up")!, values("layers.\(index).correction.down")!)
        let bias = values("layers.\(index).correction.bias")!
        let h = activate(zip(multiply(down, x, rows: kind.rank), bias).map { $0 + $1 }, kind.activation)
        var factor = 1.0
        if let budget = placed.budget {
            let bound = Self.spectralNorm(up, rows: n, columns: kind.rank) * Self.spectralNorm(down, rows: kind.rank, columns: n)
            factor = min(1, budget / bound)
        }
        if placed.scale == .rezero { factor *= values("layers.\(index).correction.scale")![0] }
        return multiply(up, h, rows: n).map { factor * $0 }
    }

    func layer(_ index: Int, _ x: [Double]) -> [Double] {
        let bias = values("layers.\(index).bias") ?? Array(repeating: 0, count: x.count)
        let (p, c) = (path(index, x), correction(index, x))
        return activate(x.indices.map { p[$0] + c[$0] + bias[$0] }, network.layers[index].activation)
    }

    func outputs(_ input: [Double]) -> [Double] {
        let specification = network.specification
        var x = input
        if let weight = values("embedding.weight"), let bias = values("embedding.bias") {
            x = activate(
                zip(multiply(weight, input, rows: specification.width), bias).map { $0 + $1 }, specification.embedding.activation)
        }
        for index in network.layers.indices { x = layer(index, x) }
        return zip(multiply(values("readout.weight")!, x, rows: specification.outputs), values("readout.bias")!).map { $0 + $1 }
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
