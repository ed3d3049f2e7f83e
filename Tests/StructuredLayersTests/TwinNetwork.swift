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
            norm = u.reduce(0) { $0 + $1 * $1 }.squareRoot()
            v = u.map { $0 / norm }
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

    private func values(_ range: Range<Int>) -> [Double] { Array(parameters[range]) }

    private func path(_ index: Int, _ x: [Double]) -> [Double] {
        guard let naive = network.layers[index].path as? any NaivePath else {
            preconditionFailure("\(type(of: network.layers[index].path)) has no naive twin")
        }
        return naive.naive(x, network.places[index].path.map(values))
    }

    /// scale · cap of a layer's correction, which no example changes.
    private func factor(_ index: Int) -> Double {
        guard let placed = network.layers[index].correction else { return 0 }
        let blocks = network.places[index].correction.map(values)
        let scale = placed.scale == .rezero ? blocks.last![0] : 1
        guard let budget = placed.budget else { return scale }
        return scale * min(1, budget / twin(of: placed).naiveBound(blocks))
    }

    private func twin(of correction: LayerCorrection) -> any NaiveCorrection {
        guard let kind = correction.kind as? any NaiveCorrection else {
            preconditionFailure("\(type(of: correction.kind)) has no naive twin")
        }
        return kind
    }

    private func layer(_ index: Int, _ x: [Double], factor: Double) -> [Double] {
        let (layer, places, p) = (network.layers[index], network.places[index], path(index, x))
        let c = layer.correction.map { twin(of: $0).naive(x, places.correction.map(values)) }
        let bias = places.bias.map(values)
        return Naive.activate(p.indices.map { p[$0] + factor * (c?[$0] ?? 0) + (bias?[$0] ?? 0) }, layer.activation)
    }

    func layer(_ index: Int, _ x: [Double]) -> [Double] { layer(index, x, factor: factor(index)) }

    func outputs(_ input: [Double]) -> [Double] { outputs(input, factors: network.layers.indices.map(factor)) }

    private func outputs(_ input: [Double], factors: [Double]) -> [Double] {
        let (specification, readout) = (network.specification, network.readout)
        var x = input
        if let embedding = network.embedding {
            let z = Naive.multiply(values(embedding.weight), input, rows: specification.width)
            x = Naive.activate(zip(z, values(embedding.bias)).map { $0 + $1 }, specification.embedding.activation)
        }
        for index in network.layers.indices { x = layer(index, x, factor: factors[index]) }
        let z = Naive.multiply(values(readout.weight), x, rows: specification.outputs)
        return zip(z, values(readout.bias)).map { $0 + $1 }
    }

    /// Summed over the examples.
    func loss(_ inputs: [[Double]], _ labels: [Int32]) -> Double {
        let factors = network.layers.indices.map(factor)
        return zip(inputs, labels).reduce(0) { total, example in
            var z = outputs(example.0, factors: factors)
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
