import Foundation
import LinearAlgebra

@testable import StructuredLayers

/// A path again, naively, in float64 on one example, from its definition: derivatives come from the tape. Every family's test file conforms its family to this.
protocol NaivePath {
    /// S(x); `blocks` are the family's blocks in declared order.
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced]
}

/// A correction kind again, naively, without scale and caps.
protocol NaiveCorrection {
    /// R(x).
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced]
    /// The bound on Lip(R) that the cap works with.
    func naiveBound(_ blocks: [[Traced]]) -> Traced
}

enum Naive {
    /// a·x for a row-major matrix of x.count columns.
    static func multiply(_ a: [Traced], _ x: [Traced], rows: Int) -> [Traced] {
        let columns = x.count
        return (0..<rows).map { i in (0..<columns).reduce(Traced(0)) { $0 + a[i * columns + $1] * x[$1] } }
    }

    /// P·x.
    static func mix(_ x: [Traced], _ mixing: FixedMixing) -> [Traced] {
        x.indices.map { Traced(Double(mixing.sign[$0])) * x[Int(mixing.source[$0])] }
    }

    /// H₁⋯H_k·x, reflection after reflection, the last first; `reversed` for the transpose. `reflectors`: [k, x.count].
    static func reflect(_ x: [Traced], by reflectors: [Traced], reversed: Bool = false) -> [Traced] {
        let (n, count) = (x.count, reflectors.count / x.count)
        var y = x
        for k in reversed ? Array(0..<count) : (0..<count).reversed() {
            let w = Array(reflectors[k * n..<(k + 1) * n])
            let scale: Traced = 2 * zip(w, y).reduce(0) { $0 + $1.0 * $1.1 } / w.reduce(0) { $0 + $1 * $1 }
            for i in 0..<n { y[i] -= scale * w[i] }
        }
        return y
    }

    static func activate(_ x: [Traced], _ activation: Activation) -> [Traced] {
        switch activation {
        case .none: x
        case .relu: x.map { max(0, $0) }
        case .tanh: x.map { tanh($0) }
        }
    }

    /// The largest singular value of [rows, columns]: ‖A·v‖ for its right vector v, held constant.
    ///
    /// That is exact for the derivative, too: at v, the largest ‖A·v‖ of all unit vectors, a change of v changes nothing, so that
    /// ∂σ/∂A = u·vᵀ. What v lacks of convergence enters the derivative at first order and the value at second.
    static func spectralNorm(_ a: [Traced], rows: Int, columns: Int) -> Traced {
        norm(multiply(a, topRightVector(a.map(\.value), rows: rows, columns: columns).map { Traced($0) }, rows: rows))
    }

    /// By power iteration on the Gram matrix, until no step moves the unit vector by more than 1e-12.
    private static func topRightVector(_ a: [Double], rows: Int, columns: Int) -> [Double] {
        var gram = Array(repeating: 0.0, count: columns * columns)
        for k in 0..<rows {
            for i in 0..<columns { for j in 0..<columns { gram[i * columns + j] += a[k * columns + i] * a[k * columns + j] } }
        }
        var v = (0..<columns).map { 1 + Double($0 % 3) * 0.1 }
        for _ in 0..<10_000 {
            var next = Array(repeating: 0.0, count: columns)
            for i in 0..<columns { for j in 0..<columns { next[i] += gram[i * columns + j] * v[j] } }
            let norm = next.reduce(0) { $0 + $1 * $1 }.squareRoot()
            var moved = 0.0
            for i in 0..<columns {
                next[i] /= norm
                moved += (next[i] - v[i]) * (next[i] - v[i])
            }
            v = next
            if moved <= 1e-24 { break }
        }
        return v
    }
}

extension IdentityPath: NaivePath {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] { x }
}

extension DensePath: NaivePath {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] { Naive.multiply(blocks[0], x, rows: outputs) }
}

extension HouseholderPath: NaivePath {
    /// H₁⋯H_k·P·x.
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        Naive.reflect(Naive.mix(x, mixing), by: blocks[0])
    }
}

/// The network again, naively, in float64 and example by example: the outside view that the fast code is held against.
///
/// Householder reflections are applied one by one, the cap's bound comes from power iteration, the loss from libm, the gradient from
/// a tape.
struct TwinNetwork {
    let network: Network
    var parameters: [Traced]

    init(_ network: Network, _ vector: AlignedVector) {
        self.network = network
        parameters = (0..<vector.count).map { Traced(Double(vector.span[$0])) }
    }

    private func values(_ name: String) -> [Traced]? {
        network.layout.blocks.first { $0.name == name }.map { Array(parameters[$0.range]) }
    }

    /// The blocks of one part of a layer, in declared order.
    private func blocks(_ prefix: String) -> [[Traced]] {
        network.layout.blocks.filter { $0.name.hasPrefix(prefix) }.map { Array(parameters[$0.range]) }
    }

    /// A layer with its numbers, and what depends on them alone.
    private struct Layer {
        var path: any NaivePath
        var pathBlocks: [[Traced]]
        var pathShare: Traced = 1
        var correction: (kind: any NaiveCorrection, blocks: [[Traced]], cap: Traced, clip: Traced, scale: [Traced])?
        var bias: [Traced]
        var activation: Activation

        func callAsFunction(_ x: [Traced]) -> [Traced] {
            var y = zip(path.naive(x, pathBlocks), bias).map { pathShare * $0 + $1 }
            if let correction {
                let r = correction.kind.naive(x, correction.blocks).map { correction.cap * $0 }
                let clip = min(1, correction.clip / Naive.norm(r))
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
        var scale: [Traced] =
            switch placed.scale {
            case .fixed(let factor): Array(repeating: Traced(Double(factor)), count: layer.outputs)
            case .rezero: Array(repeating: blocks.last![0], count: layer.outputs)
            case .layerscale: blocks.last!
            }
        let options = network.specification.correction.options
        if options["mix"] == "convex",
            let share = options["scale"].flatMap({ DepthScaled($0) })?.value(depth: network.layers.count)
        {
            prepared.pathShare = Traced(1 - share)
            scale = Array(repeating: Traced(share), count: layer.outputs)
        }
        prepared.correction = (
            kind, blocks, placed.budget.map { min(1, Traced($0) / kind.naiveBound(blocks)) } ?? 1,
            Traced(placed.outputBudget ?? .infinity), scale
        )
        return prepared
    }

    func layer(_ index: Int, _ x: [Double]) -> [Double] { prepared(index)(x.map { Traced($0) }).map(\.value) }

    /// Whether a bound on a correction bites.
    enum Limit: Hashable, CaseIterable { case absent, active, inactive }

    /// What becomes of the cap of layer `index` and of the output clip, at each of the examples.
    func limits(_ index: Int, _ inputs: [[Double]]) -> (cap: Limit, clips: Set<Limit>)? {
        let placed = network.layers[index].correction
        return prepared(index).correction.map { correction in
            let cap: Limit = placed?.budget == nil ? .absent : correction.cap < 1 ? .active : .inactive
            guard placed?.outputBudget != nil else { return (cap, [.absent]) }
            return (
                cap,
                Set(
                    inputs.map { example in
                        let x = (0..<index).reduce(embedded(example.map { Traced($0) })) { prepared($1)($0) }
                        let r = correction.kind.naive(x, correction.blocks).map { correction.cap * $0 }
                        return Naive.norm(r) > correction.clip ? .active : .inactive
                    })
            )
        }
    }

    private func embedded(_ x: [Traced]) -> [Traced] {
        guard let weight = values("embedding.weight"), let bias = values("embedding.bias") else { return x }
        let z = zip(Naive.multiply(weight, x, rows: bias.count), bias).map { $0 + $1 }
        return Naive.activate(z, network.specification.embedding.activation)
    }

    /// Summed over the examples.
    func loss(_ inputs: [[Double]], _ labels: [Int32]) -> Traced {
        let specification = network.specification
        let (readout, offset) = (values("readout.weight")!, values("readout.bias")!)
        let layers = network.layers.indices.map { prepared($0) }
        return zip(inputs, labels).reduce(0) { total, example in
            let x = layers.reduce(embedded(example.0.map { Traced($0) })) { $1($0) }
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

    /// ∂loss/∂θ for every place of the flat vector; state is constant, and has none.
    func gradient(_ inputs: [[Double]], _ labels: [Int32]) -> [Double] {
        let states = network.layout.blocks.filter { $0.role == .state }.map(\.range)
        return Tape.gradient(at: parameters.map(\.value)) { traced in
            var twin = self
            twin.parameters = traced
            for index in states.joined() { twin.parameters[index] = parameters[index] }
            return twin.loss(inputs, labels)
        }
    }
}
