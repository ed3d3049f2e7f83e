import Foundation
import LinearAlgebra
import Testing

@testable import SpectralDiagnostics
@testable import StructuredLayers

@Suite("Products with curvature matrices")
struct CurvatureProductTests {
    /// Per example, and in float64.
    static func product(
        _ network: Network, _ parameters: AlignedVector, _ inputs: Matrix, _ labels: [Int32], _ kind: CurvatureKind,
        _ v: AlignedVector
    ) -> [Double] {
        var matrix = CurvatureProduct(network, parameters: parameters, inputs: inputs, labels: labels)
        var result = AlignedVector(count: parameters.count)
        do {
            var target = result.mutableSpan
            matrix.product(kind, v.span, step: 3e-3, into: &target)
        }
        return network.layout.blocks.flatMap(\.range).map { Double(result.span[$0]) / Double(labels.count) }
    }

    static func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    static func distance(_ a: [Double], _ b: [Double]) -> Double {
        a.count == b.count ? norm(zip(a, b).map { $0 - $1 }) : .infinity
    }

    /// The i-th trained element is `element(i)`.
    static func direction(_ network: Network, _ element: (Int) -> Float) -> AlignedVector {
        var vector = AlignedVector(count: network.layout.count)
        var all = vector.mutableSpan
        for (index, place) in network.layout.blocks.flatMap(\.range).enumerated() { all[place] = element(index) }
        return vector
    }

    /// By case and matrix.
    static func golden() throws -> [(name: String, quantity: String, values: [Double])] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Oracles/golden/hessian-products.txt")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { line in
            let words = line.split(separator: " ")
            return (String(words[0]), String(words[1]), words.dropFirst(2).compactMap { Double($0) })
        }
    }

    @Test("exact to float32's rounding against automatic differentiation in float64")
    func golden() throws {
        for (name, quantity, exact) in try Self.golden() {
            let golden = try CurvatureCase.named(name)
            var specification = golden.network.specification
            if quantity == "squaredError" { specification.loss = .squaredError }
            let kind: CurvatureKind =
                switch quantity {
                case "gaussNewton": .gaussNewton
                case "tangentKernel": .tangentKernel
                default: .hessian
                }
            let network = try Network(specification)
            let v = Self.direction(network) { Float($0 * 37 % 101 - 50) / 64 }
            let product = Self.product(network, golden.parameters, golden.inputs, golden.labels, kind, v)
            // Sums of 24 examples and of 16 units, through three maps and back.
            #expect(Self.distance(product, exact) < 3e-6 * Self.norm(exact), "\(name) \(quantity)")
        }
    }

    static let networks: [(name: String, specification: NetworkSpecification)] = [
        ("dense, tanh", NetworkSpecification(inputs: 5, outputs: 3, width: 8, depth: 2, activation: .tanh)),
        (
            "block-diagonal, tanh after the embedding",
            NetworkSpecification(
                inputs: 5, outputs: 3, width: 8, depth: 3, path: PathSpecification(family: "block-diagonal"), activation: .tanh,
                embedding: EmbeddingSpecification(activation: .tanh))
        ),
        (
            "identity, without an embedding",
            NetworkSpecification(
                inputs: 8, outputs: 3, width: 8, depth: 2, path: PathSpecification(family: "identity"), activation: .tanh,
                loss: .squaredError, embedding: EmbeddingSpecification(kind: .identity))
        ),
        (
            "one layer without a bias",
            NetworkSpecification(inputs: 5, outputs: 3, width: 8, depth: 1, activation: .relu, bias: false)
        ),
    ]

    static func problem(_ specification: NetworkSpecification) throws -> (Network, AlignedVector, Matrix, [Int32]) {
        let network = try Network(specification)
        var inputs = Matrix(rows: specification.inputs, columns: 20)
        do {
            var elements = inputs.mutableSpan
            CounterRNG(seed: 2, purpose: "curvature inputs").fillNormal(&elements, standardDeviation: 1)
        }
        return (network, network.initialParameters(seed: 4), inputs, (0..<20).map { Int32($0 * $0 % 3) })
    }

    @Test("exact products are what differences of gradients come to", arguments: networks.indices)
    func differences(index: Int) throws {
        let (network, parameters, inputs, labels) = try Self.problem(Self.networks[index].specification)
        let v = Self.direction(network) { Float($0 * 29 % 23 - 11) / 64 }
        #expect(CurvatureProduct(network, parameters: parameters, inputs: inputs, labels: labels).isExact)
        for kind in CurvatureKind.allCases {
            let exact = Self.product(network, parameters, inputs, labels, kind, v)
            var difference = GradientDifference(network, parameters: parameters, inputs: inputs, labels: labels)
            var result = AlignedVector(count: parameters.count)
            do {
                var target = result.mutableSpan
                difference.product(
                    kind, v.span, length: 4e-3 * VectorKernels.sumOfSquares(v.span).squareRoot(), into: &target)
            }
            let twin = network.layout.blocks.flatMap(\.range).map { Double(result.span[$0]) / 20 }
            // Third derivatives and rounding over the step.
            #expect(Self.distance(exact, twin) < 1e-3 * Self.norm(twin), "\(Self.networks[index].name) \(kind)")
        }
    }

    @Test("of examples that are learnt, the little curvature that is left is exact too", arguments: [8, 12, 16, 20])
    func learnt(margin: Int) throws {
        // Logits of a readout bias alone, by which class 0 leads; the matrix of these biases is diag(p) − p·pᵀ.
        let specification = NetworkSpecification(inputs: 4, outputs: 3, width: 4, depth: 1, activation: .relu)
        let network = try Network(specification)
        var parameters = AlignedVector(count: network.layout.count)
        let bias = network.readout.bias.lowerBound
        do {
            var all = parameters.mutableSpan
            all[bias] = Float(margin)
            all[bias + 2] = 0.5
        }
        let others = [exp(-Double(margin)), exp(0.5 - Double(margin))]
        let sum = 1 + others[0] + others[1]
        let p = [1 / sum, others[0] / sum, others[1] / sum]
        for direction in [[1.0, 1, 1], [1, 0, 0], [5, -2, 3], [1, 1, -2]] {
            var v = AlignedVector(count: network.layout.count)
            do {
                var all = v.mutableSpan
                for c in 0..<3 { all[bias + c] = Float(direction[c]) }
            }
            let inputs = Matrix(rows: 4, columns: 2)
            var matrix = CurvatureProduct(network, parameters: parameters, inputs: inputs, labels: [0, 0])
            #expect(matrix.isExact)
            for kind in [CurvatureKind.gaussNewton, .hessian] {
                var result = AlignedVector(count: network.layout.count)
                do {
                    var target = result.mutableSpan
                    matrix.product(kind, v.span, step: 1e-3, into: &target)
                }
                // p_c·Σ_k p_k(v_c − v_k), in which nothing cancels.
                for c in 0..<3 {
                    let exact = 2 * p[c] * (0..<3).reduce(0) { $0 + p[$1] * (direction[c] - direction[$1]) }
                    #expect(abs(Double(result.span[bias + c]) - exact) <= 1e-5 * abs(exact), "\(margin) \(direction) \(kind) \(c)")
                }
            }
        }
    }

    @Test("vᵀHw = wᵀHv", arguments: networks.indices)
    func symmetry(index: Int) throws {
        let (network, parameters, inputs, labels) = try Self.problem(Self.networks[index].specification)
        let (v, w) = (
            Self.direction(network) { Float($0 * 29 % 23 - 11) / 64 }, Self.direction(network) { Float($0 * 31 % 37 - 18) / 64 }
        )
        func trained(_ vector: AlignedVector) -> [Double] { network.layout.blocks.flatMap(\.range).map { Double(vector.span[$0]) } }
        for kind in CurvatureKind.allCases {
            let (hv, hw) = (
                Self.product(network, parameters, inputs, labels, kind, v),
                Self.product(network, parameters, inputs, labels, kind, w)
            )
            let (left, right) = (
                zip(trained(w), hv).reduce(0) { $0 + $1.0 * $1.1 }, zip(trained(v), hw).reduce(0) { $0 + $1.0 * $1.1 }
            )
            let size = Self.norm(hv) * Self.norm(trained(w)) + Self.norm(hw) * Self.norm(trained(v))
            #expect(abs(left - right) < 1e-6 * size, "\(Self.networks[index].name) \(kind)")
        }
    }

    @Test("corrections and orthogonal paths are left to differences")
    func inexact() throws {
        for family in CurvatureFamilyTests.families {
            let (network, parameters, inputs, labels) = try CurvatureFamilyTests.problem(family)
            #expect(!CurvatureProduct(network, parameters: parameters, inputs: inputs, labels: labels).isExact, "\(family)")
        }
    }
}
