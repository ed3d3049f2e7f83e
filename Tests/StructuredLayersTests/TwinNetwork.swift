import Foundation
import LinearAlgebra

@testable import StructuredLayers

/// A path again, naively, in float64 on one example. Every family's test file conforms its family to this.
protocol NaivePath {
    /// S(x); `blocks` are the family's blocks in declared order.
    func naive(_ x: [Double], _ blocks: [[Double]]) -> [Double]
}

/// A correction kind again, naively, without scale and caps.
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

    /// P·x.
    static func mix(_ x: [Double], _ mixing: FixedMixing) -> [Double] {
        x.indices.map { Double(mixing.sign[$0]) * x[Int(mixing.source[$0])] }
    }

    /// H₁⋯H_k·x, reflection after reflection, the last first; `reversed` for the transpose. `reflectors`: [k, x.count].
    static func reflect(_ x: [Double], by reflectors: [Double], reversed: Bool = false) -> [Double] {
        let (n, count) = (x.count, reflectors.count / x.count)
        var y = x
        for k in reversed ? Array(0..<count) : (0..<count).reversed() {
            let w = Array(reflectors[k * n..<(k + 1) * n])
            let scale = 2 * zip(w, y).reduce(0) { $0 + $1.0 * $1.1 } / w.reduce(0) { $0 + $1 * $1 }
            for i in 0..<n { y[i] -= scale * w[i] }
        }
        return y
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
    func naive(_ x: [Double], _ blocks: [[Double]]) -> [Double] { Naive.multiply(blocks[0], x, rows: outputs) }
}

extension HouseholderPath: NaivePath {
    /// H₁⋯H_k·P·x.
    func naive(_ x: [Double], _ blocks: [[Double]]) -> [Double] {
        Naive.reflect(Naive.mix(x, mixing), by: blocks[0])
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

    private func values(_ name: String) -> [Double]? {
        network.layout.blocks.first { $0.name == name }.map { Array(parameters[$0.range]) }
    }

    /// The blocks of one part of a layer, in declared order.
    private func blocks(_ prefix: String) -> [[Double]] {
        network.layout.blocks.filter { $0.name.hasPrefix(prefix) }.map { Array(parameters[$0.range]) }
    }

    /// A layer with its numbers, and what depends on them alone.
    private struct Layer {
        var path: any NaivePath
        var pathBlocks: [[Double]]
        var pathShare = 1.0
        var correction: (kind: any NaiveCorrection, blocks: [[Double]], cap: Double, clip: Double, scale: [Double])?
        var bias: [Double]
        var activation: Activation

        func callAsFunction(_ x: [Double]) -> [Double] {
            var y = zip(path.naive(x, pathBlocks), bias).map { pathShare * $0 + $1 }
            if let correction {
                let r = correction.kind.naive(x, correction.blocks).map { correction.cap * $0 }
                let clip = min(1, correction.clip / r.reduce(0) { $0 + $1 * $1 }.squareRoot())
                y = y.indices.map { y[$0] + correction.scale[$0] * (clip * r[$0]) }
            }
            return Naive.activate(y, activation)
        }
    }

    private func prepared(_ index: Int) -> Layer {
        let (layer, prefix) = (network.layers[index], "layers.\(index).")
        guard let path = layer.path as? any NaivePath else {
            preconditionFailure("\(type(of: layer.path)) has no naive twin")
        }
        var prepared = Layer(
            path: path, pathBlocks: blocks(prefix + "path."),
            bias: values(prefix + "bias") ?? Array(repeating: 0, count: layer.outputs), activation: layer.activation)
        guard let placed = layer.correction else { return prepared }
        guard let kind = placed.kind as? any NaiveCorrection else {
            preconditionFailure("\(type(of: placed.kind)) has no naive twin")
        }
        let blocks = blocks(prefix + "correction.")
        var scale: [Double] =
            switch placed.scale {
            case .fixed(let factor): Array(repeating: Double(factor), count: layer.outputs)
            case .rezero: Array(repeating: blocks.last![0], count: layer.outputs)
            case .layerscale: blocks.last!
            }
        let options = network.specification.correction.options
        if options["mix"] == "convex",
            let share = options["scale"].flatMap({ DepthScaled($0) })?.value(depth: network.layers.count)
        {
            prepared.pathShare = 1 - share
            scale = Array(repeating: share, count: layer.outputs)
        }
        prepared.correction = (
            kind, blocks, placed.budget.map { min(1, $0 / kind.naiveBound(blocks)) } ?? 1, placed.outputBudget ?? .infinity, scale
        )
        return prepared
    }

    func layer(_ index: Int, _ x: [Double]) -> [Double] { prepared(index)(x) }

    /// Summed over the examples.
    func loss(_ inputs: [[Double]], _ labels: [Int32]) -> Double {
        let specification = network.specification
        let (weight, bias) = (values("embedding.weight"), values("embedding.bias"))
        let (readout, offset) = (values("readout.weight")!, values("readout.bias")!)
        let layers = network.layers.indices.map { prepared($0) }
        return zip(inputs, labels).reduce(0) { total, example in
            var x = example.0
            if let weight, let bias {
                x = zip(Naive.multiply(weight, x, rows: bias.count), bias).map { $0 + $1 }
                x = Naive.activate(x, specification.embedding.activation)
            }
            for layer in layers { x = layer(x) }
            var z = zip(Naive.multiply(readout, x, rows: specification.outputs), offset).map { $0 + $1 }
            switch specification.loss {
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
