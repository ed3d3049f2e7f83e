import LinearAlgebra
import Testing

@testable import StructuredLayers

/// A network under test, with every block nonzero.
struct Sample: CustomTestStringConvertible, Hashable, Sendable {
    var path: PathSpecification
    var correction: CorrectionSpecification
    var activation: Activation
    var loss: LossKind = .crossEntropy
    var testDescription: String {
        "\(path.family) + \(correction.kind) \(correction.options.map { "\($0)=\($1)" }.sorted()), \(activation)"
    }

    static let corrections: [CorrectionSpecification] = [
        .none, .bottleneck(rank: 3, activation: .tanh), .bottleneck(rank: 3, activation: .tanh, scale: .rezero),
        .bottleneck(rank: 3, activation: .tanh, cap: 0.3), .bottleneck(rank: 3, activation: .none, cap: 100),
        .bottleneck(rank: 2, activation: .tanh, scale: .rezero, cap: "0.5/sqrt(L)"),
        .bottleneck(rank: 3, activation: .relu, cap: "0.9/L"), .init(kind: "low-rank", options: ["rank": 3, "cap": 0.2]),
        .init(kind: "gated-low-rank", options: ["rank": 3, "scale": "rezero", "cap": 0.4]),
        .init(kind: "dense", options: ["scale": "layerscale", "scaleStart": 0.3, "cap": "2/sqrt(L)", "outputClip": 0.5]),
        .init(kind: "bottleneck", options: ["rank": 4, "scale": "1/sqrt(L)", "outputClip": "0.9/L"]),
        .init(kind: "dense", options: ["activation": "tanh", "scale": "0.9/L", "mix": "convex", "cap": 0.8]),
        .init(kind: "low-rank", options: ["rank": 3, "scale": 0.25, "mix": "convex", "outputClip": 0.2]),
    ]
    static let paths: [PathSpecification] = [
        .identity, .dense, .householder(reflectors: 4), .householder(reflectors: 10), PathSpecification(family: "kronecker"),
        PathSpecification(family: "block-diagonal", options: ["blocks": 2]), PathSpecification(family: "monarch"),
        PathSpecification(family: "block-tensor-train", options: ["rank": 2]),
        PathSpecification(family: "diagonal-low-rank", options: ["rank": 3]),
        PathSpecification(family: "bounded-svd", options: ["reflectors": 4]),
        .init(family: "spectral-norm", options: ["bound": 0.9]),
        .init(family: "spectral-norm", options: ["mode": "cap", "bound": 0.7]),
        .init(family: "spectral-norm", options: ["mode": "cap", "bound": 100]),
        .init(family: "cayley", options: ["init": "rotations"]),
        .init(family: "skew-euler"),
        .init(family: "skew-euler", options: ["step": "0.9/L", "damping": 0.5, "activation": "none"]),
        .init(family: "gradient-flow", options: ["step": 1.5, "hidden": 7]),
        .init(family: "gradient-flow", options: ["step": "2/sqrt(L)", "activation": "tanh"]),
    ]
    /// Every path with every correction, and the activations in turn.
    static let all: [Sample] =
        paths.enumerated().flatMap { i, path in
            corrections.enumerated().map { j, correction in
                Sample(path: path, correction: correction, activation: [Activation.none, .tanh, .relu][(i + j) % 3])
            }
        } + [Sample(path: .dense, correction: corrections[3], activation: .tanh, loss: .squaredError)]

    /// Every kind of correction with every scale and every cap and clip, active and not, on one path.
    static let branches: [Sample] = branches(on: .identity, clips: ["none", 0.05, 100])
    /// Every other path with every kind of correction, every scale and every cap.
    static let product: [Sample] = paths.filter { $0 != .identity }.flatMap { branches(on: $0, clips: ["none"]) }

    private static func branches(on path: PathSpecification, clips: [OptionValue]) -> [Sample] {
        ["low-rank", "bottleneck", "gated-low-rank", "dense"].flatMap { kind in
            ["none", "1/sqrt(L)", "rezero", "layerscale"].flatMap { (scale: OptionValue) in
                ["none", 0.2, 100].flatMap { (cap: OptionValue) in
                    clips.map { clip in
                        var options: [String: OptionValue] = ["scale": scale, "cap": cap, "outputClip": clip]
                        if scale == "layerscale" { options["scaleStart"] = 0.4 }
                        // As many units as the width: square factors have two Gram matrices of one size.
                        if kind != "dense" { options["rank"] = scale == "none" ? 10 : 3 }
                        // Among so many samples some point lies within a difference's step of a kink of relu.
                        if kind == "dense" && path != .identity { options["activation"] = "tanh" }
                        return Sample(
                            path: path, correction: CorrectionSpecification(kind: kind, options: options), activation: .none)
                    }
                }
            }
        }
    }

    /// 10, or 12 for Monarch matrices, as the square of no number of blocks divides 10.
    var width: Int { path.family == "monarch" ? 12 : 10 }

    func network() throws -> Network {
        try Network(
            NetworkSpecification(
                inputs: 6, outputs: 4, width: width, depth: 3, path: path, correction: correction, activation: activation,
                loss: loss,
                embedding: EmbeddingSpecification(activation: .tanh)))
    }

    static func parameters(_ network: Network) -> AlignedVector {
        var parameters = network.initialParameters(seed: 4)
        var all = parameters.mutableSpan
        let generator = CounterRNG(seed: 8, purpose: "perturb")
        for block in network.layout.blocks where block.role == .parameter {
            for index in block.range { all[index] += Float(generator.normal(UInt64(index))) * 0.15 + 0.05 }
        }
        // The gradient takes warm vectors to be at rest, as they nearly are while training moves slowly.
        for _ in 0..<30 { network.settleStates(&all) }
        return parameters
    }

    static let batch = 5
    static func inputs() -> Matrix {
        var matrix = Matrix(rows: 6, columns: batch)
        var span = matrix.mutableSpan
        CounterRNG(seed: 9, purpose: "inputs").fillNormal(&span, standardDeviation: 1)
        return matrix
    }
    /// The columns of `inputs`.
    static let examples: [[Double]] = (0..<batch).map { b in (0..<6).map { Double(inputs()[$0, b]) } }
    static let labels: [Int32] = [0, 3, 1, 2, 2]
}

@Suite("Gradients")
struct GradientTests {
    @Test(
        "equal those of the float64 twin, and the twin's equal its central differences, block by block",
        arguments: Sample.all + Sample.branches + Sample.product)
    func gradientCheck(sample: Sample) async throws { try await GradientErrors.measured(sample).check() }

    @Test("have these worst relative errors, by kind of block")
    func worst() async throws {
        var worst: [String: BlockErrors] = [:]
        for sample in Sample.all + Sample.branches + Sample.product {
            for (name, errors) in try await GradientErrors.measured(sample).blocks {
                let kind = name.split(separator: ".").drop { $0 == "layers" || Int($0) != nil }.joined(separator: ".")
                let owner =
                    kind.hasPrefix("path.")
                    ? sample.path.family : kind.hasPrefix("correction.") ? sample.correction.kind : "network"
                worst["\(owner) \(kind)"] = errors.worst(worst["\(owner) \(kind)"] ?? BlockErrors())
            }
        }
        print("worst ‖difference‖/‖gradient‖: float32 to central differences, float32 to exact, exact to central differences")
        for (name, errors) in worst.sorted(by: { $0.key < $1.key }) { print("\(errors.description)    \(name)") }
        let total = worst.values.reduce(BlockErrors()) { $0.worst($1) }
        print("\(total.description)    all")
        total.check("all blocks")
    }

    /// Of a network with 6 inputs and 4 outputs.
    static func check(_ network: Network) throws { try GradientErrors(network).check() }

    @Test("are tested with biases that are not zero, and with caps and clips that bite and that do not")
    func crossing() throws {
        var (ofPaths, ofBranches) = ([PathSpecification: Set<String>](), [String: Set<String>]())
        for sample in Sample.all + Sample.branches + Sample.product {
            let network = try sample.network()
            let parameters = Sample.parameters(network)
            for block in network.layout.blocks where block.role == .parameter {
                #expect(block.range.contains { parameters.span[$0] != 0 }, "\(sample) \(block.name)")
            }
            let twin = TwinNetwork(network, parameters)
            for index in network.layers.indices {
                guard let limits = twin.limits(index, Sample.examples) else { continue }
                let scale = sample.correction.options["scale"].map { "\($0)" } ?? "default"
                for clip in limits.clips {
                    ofPaths[sample.path, default: []].formUnion(["cap \(limits.cap)", "clip \(clip)"])
                    ofBranches["\(sample.correction.kind) \(scale)", default: []].insert("cap \(limits.cap), clip \(clip)")
                }
            }
        }
        #expect(ofPaths.count == Sample.paths.count)
        for (path, limits) in ofPaths { #expect(limits.count == 6, "\(path): \(limits.sorted())") }
        for kind in ["low-rank", "bottleneck", "gated-low-rank", "dense"] {
            for scale in ["none", "1/sqrt(L)", "rezero", "layerscale"] {
                let limits = ofBranches["\(kind) \(scale)", default: []]
                for cap in TwinNetwork.Limit.allCases {
                    for clip in TwinNetwork.Limit.allCases {
                        #expect(limits.contains("cap \(cap), clip \(clip)"), "\(kind), scale \(scale): cap \(cap), clip \(clip)")
                    }
                }
            }
        }
    }

    @Test("leave the padding between blocks alone, and do not depend on what a workspace held")
    func reuse() throws {
        let sample = Sample(path: .householder(reflectors: 4), correction: Sample.corrections[3], activation: .tanh)
        let network = try sample.network()
        let (parameters, inputs) = (Sample.parameters(network), Sample.inputs())
        func gradient(_ workspace: inout NetworkWorkspace) -> [UInt32] {
            var gradient = AlignedVector(count: network.layout.count)
            do {
                var span = gradient.mutableSpan
                _ = network.gradient(
                    parameters: parameters.span, inputs: inputs.view, labels: Sample.labels, into: &span, workspace: &workspace,
                    gathers: true)
            }
            return (0..<gradient.count).map { gradient.span[$0].bitPattern }
        }
        var used = network.makeWorkspace(batch: Sample.batch)
        network.derive(parameters.span, into: &used)
        let first = gradient(&used)
        #expect(gradient(&used) == first)
        var fresh = network.makeWorkspace(batch: Sample.batch)
        network.derive(parameters.span, into: &fresh)
        #expect(gradient(&fresh) == first)
        let covered = Set(network.layout.blocks.flatMap { Array($0.range) })
        for index in 0..<network.layout.count where !covered.contains(index) { #expect(first[index] == 0) }
    }

    @Test("announce each group of blocks once, from the readout down")
    func ready() throws {
        let network = try Sample(path: .dense, correction: .none, activation: .relu).network()
        let (parameters, inputs) = (Sample.parameters(network), Sample.inputs())
        var workspace = network.makeWorkspace(batch: Sample.batch)
        var gradient = AlignedVector(count: network.layout.count)
        var order: [Int] = []
        var span = gradient.mutableSpan
        _ = network.gradient(
            parameters: parameters.span, inputs: inputs.view, labels: Sample.labels, into: &span, workspace: &workspace,
            layerReady: { order.append($0) })
        #expect(order == [4, 3, 2, 1, 0])
    }
}

@Suite("Layers")
struct LayerTests {
    static func random(_ rows: Int, _ columns: Int, _ purpose: String) -> Matrix {
        var matrix = Matrix(rows: rows, columns: columns)
        var span = matrix.mutableSpan
        CounterRNG(seed: 2, purpose: purpose).fillNormal(&span, standardDeviation: 1)
        return matrix
    }

    @Test("D26, the adjoint test: ⟨u, J·v⟩ = ⟨Jᵀ·u, v⟩", arguments: Sample.all + Sample.branches + Sample.product)
    func adjoint(sample: Sample) throws { try Self.checkAdjoint(try sample.network(), 1) }

    static func checkAdjoint(_ network: Network, _ index: Int) throws {
        let parameters = Sample.parameters(network)
        let (layer, places) = (network.layers[index], network.places[index])
        let (n, m) = (layer.inputs, layer.outputs)
        var work = layer.makeWork(batch: 4)
        layer.derive(parameters.span, places, &work)
        let (x, v, u) = (random(n, 4, "x"), random(n, 4, "v"), random(m, 4, "u"))
        var (y, t, g, dx) = (Matrix(rows: m, columns: 4), Matrix(rows: m, columns: 4), u, Matrix(rows: n, columns: 4))
        do {
            var view = y.mutableView
            layer.forward(x.view, parameters.span, places, &work, into: &view)
        }
        do {
            var view = t.mutableView
            layer.jvp(x.view, v.view, output: y.view, parameters.span, places, &work, into: &view)
        }
        do {
            var again = y.mutableView
            layer.forward(x.view, parameters.span, places, &work, into: &again)
        }
        var blocks = AlignedVector(count: network.layout.count)
        do {
            var gView = g.mutableView
            var dxView = dx.mutableView
            var span = blocks.mutableSpan
            layer.backward(
                x.view, output: y.view, gradient: &gView, parameters.span, places, &work, blockGradients: &span, into: &dxView)
        }
        let left = VectorKernels.dot(u.span, t.span)
        let right = VectorKernels.dot(dx.span, v.span)
        let scale = (VectorKernels.sumOfSquares(u.span) * VectorKernels.sumOfSquares(t.span)).squareRoot()
        #expect(abs(left - right) <= 1e-5 * max(scale, 1e-6))
    }

    @Test("Householder paths are orthogonal for any reflectors, and equal reflection after reflection")
    func householder() throws {
        let network = try Sample(path: .householder(reflectors: 6), correction: .none, activation: .none).network()
        let parameters = Sample.parameters(network)
        let q = network.materialisedPath(0, parameters)
        let twin = TwinNetwork(network, parameters)
        for column in 0..<10 {
            var unit = Array(repeating: 0.0, count: 10)
            unit[column] = 1
            var noBias = twin
            for block in network.layout.blocks where block.name == "layers.0.bias" {
                for i in block.range { noBias.parameters[i] = 0 }
            }
            let expected = noBias.layer(0, unit)
            for row in 0..<10 { #expect(abs(Double(q[row, column]) - expected[row]) < 1e-5) }
        }
        let gram = DoubleMatrix(q.view).smallerGram()
        for i in 0..<10 { for j in 0..<10 { #expect(abs(gram[i, j] - (i == j ? 1 : 0)) < 5e-6) } }
    }

    @Test(
        "certificates hold the singular values of the path and of the layer's Jacobian",
        arguments: Sample.all + Sample.branches + Sample.product)
    func certificates(sample: Sample) throws { try Self.checkCertificates(try sample.network()) }

    static func checkCertificates(_ network: Network, at given: AlignedVector? = nil) throws {
        let parameters = given ?? Sample.parameters(network)
        let certificates = try network.certificates(parameters)
        for (index, certificate) in certificates.enumerated() {
            let path = try LAPACK.singularValues(network.materialisedPath(index, parameters).view)
            #expect(Double(path[0]) <= certificate.path.upper && Double(path.last!) >= certificate.path.lower)
            let (n, m) = (network.layers[index].inputs, network.layers[index].outputs)
            var work = network.layers[index].makeWork(batch: n)
            network.layers[index].derive(parameters.span, network.places[index], &work)
            var (x, identity) = (Matrix(rows: n, columns: n), Matrix(rows: n, columns: n))
            let point = random(n, 1, "point")
            for i in 0..<n { for b in 0..<n { (x[i, b], identity[i, b]) = (point[i, 0], i == b ? 1 : 0) } }
            var (y, jacobian) = (Matrix(rows: m, columns: n), Matrix(rows: m, columns: n))
            do {
                var view = y.mutableView
                network.layers[index].forward(x.view, parameters.span, network.places[index], &work, into: &view)
            }
            do {
                var view = jacobian.mutableView
                network.layers[index].jvp(
                    x.view, identity.view, output: y.view, parameters.span, network.places[index], &work, into: &view)
            }
            let values = try LAPACK.singularValues(jacobian.view)
            #expect(Double(values[0]) <= certificate.jacobian.upper * (1 + 1e-5))
            #expect(Double(values.last!) >= certificate.jacobian.lower * (1 - 1e-5) - 1e-6)
        }
    }
}

@Suite("Specifications")
struct SpecificationTests {
    static func refusal(_ change: (inout NetworkSpecification) -> Void) -> String {
        var specification = NetworkSpecification(inputs: 4, outputs: 3, width: 8, depth: 2)
        change(&specification)
        do {
            _ = try Network(specification)
            return "accepted"
        } catch { return "\(error)" }
    }

    @Test("refuse what cannot be, with the key, the value and what would do")
    func refusals() {
        #expect(Self.refusal { $0.path = .householder(reflectors: 9) } == "model.path.reflectors: got 9, expected 1…8, the width")
        #expect(
            Self.refusal { $0.path.family = "cayly" }
                == "model.path.family: got cayly, expected one of " + LayerFamilies.builtin.pathNames.joined(separator: ", "))
        #expect(
            Self.refusal { $0.path = .init(family: "dense", options: ["reflectors": 3]) }.contains(
                "no such option of the family dense"))
        #expect(Self.refusal { $0.correction = .bottleneck(rank: 2, cap: "2/M") }.contains("c/L or c/sqrt(L)"))
        #expect(Self.refusal { $0.correction = .bottleneck(rank: 0) }.contains("1…8, the width"))
        #expect(
            Self.refusal { $0.correction = .init(kind: "low-rank", options: ["rank": 9]) }
                == "model.correction.rank: got 9, expected 1…8, the width")
        #expect(
            Self.refusal { ($0.path, $0.correction) = (.identity, .init(kind: "none", options: ["cap": "2/L"])) }
                == "model.correction.cap: got 2/L, expected no cap, as the layer has no correction; model.correction.kind could be "
                + "one of bottleneck, dense, gated-low-rank, low-rank")
        for key in ["scale", "outputClip", "mix"] {
            #expect(
                Self.refusal { $0.correction = .init(kind: "none", options: [key: "rezero"]) }.hasPrefix(
                    "model.correction.\(key): got rezero, expected no \(key), as the layer has no correction"))
        }
        #expect(
            Self.refusal { $0.path = .init(family: "identity", options: ["cap": 1]) }
                == "model.path.cap: got 1, expected no such option of the family identity: it has no options")
        #expect(
            Self.refusal { $0.correction = .init(kind: "gated-low-rank", options: ["activation": "none"]) }
                == "model.correction.activation: got none, expected tanh: a gate times an unbounded activation has no global "
                + "Lipschitz bound")
        #expect(
            Self.refusal { $0.correction = .init(kind: "low-rank", options: ["scale": "half"]) }
                == "model.correction.scale: got half, expected none, rezero, layerscale, a number from 1e-30 to 1e30, c/L or c/sqrt(L)"
        )
        #expect(
            Self.refusal { $0.correction = .init(kind: "low-rank", options: ["outputClip": 0]) }
                == "model.correction.outputClip: got 0, expected none, a number from 1e-30 to 1e30, c/L or c/sqrt(L)")
        #expect(
            Self.refusal { $0.correction = .init(kind: "low-rank", options: ["scaleStart": 0.1]) }.contains(
                "no such option of the correction low-rank: its options are cap, mix, outputClip, rank, scale"))
        for scale in ["rezero", "none", 1, "3/sqrt(L)"] as [OptionValue] {
            #expect(
                Self.refusal { $0.correction = .init(kind: "dense", options: ["mix": "convex", "scale": scale]) }
                    == "model.correction.mix: got convex, expected sum, as a convex combination needs a fixed model.correction.scale "
                    + "below 1")
        }
        #expect(Self.refusal { $0.embedding.scale = 0 } == "model.embedding.scale: got 0.0, expected a number above 0")
        #expect(
            Self.refusal { ($0.inputs, $0.embedding) = (8, .init(kind: .identity, scale: 2)) }
                == "model.embedding.scale: got 2.0, expected 1, as the identity embedding has no weights")
        #expect(
            Self.refusal { $0.widths = [8, 4] }
                == "model.width: got 2 numbers, expected one number for all layers, or 3: one more than model.depth, as layer l maps "
                + "the l-th to the next")
        #expect(Self.refusal { $0.width = 0 }.contains("model.width"))
        #expect(Self.refusal { $0.embedding.kind = .identity }.contains("model.embedding.kind"))
    }

    @Test("caps read as numbers and as functions of the depth")
    func caps() {
        #expect(DepthScaled("4/L")?.value(depth: 8) == 0.5)
        #expect(DepthScaled("2/sqrt(L)")?.value(depth: 16) == 0.5)
        #expect(DepthScaled(3)?.value(depth: 8) == 3)
        #expect(DepthScaled("-1") == nil && DepthScaled("x/L") == nil && DepthScaled(true) == nil)
    }
}
