import Foundation
import LinearAlgebra
import SpectralDiagnostics
import StructuredLayers
import Testing

/// A network, parameters away from where it begins, and a batch.
struct ProbedNetwork {
    let version: FrozenNetwork
    let inputs: Matrix
    let labels: [Int32]

    init(
        _ path: PathSpecification, correction: CorrectionSpecification = .none, activation: Activation = .none, depth: Int = 3,
        width: Int = 8, inputs: Int = 8, outputs: Int = 4, examples: Int = 6, spread: Double = 0.1,
        embedding: EmbeddingSpecification = EmbeddingSpecification(kind: .identity)
    ) throws {
        let network = try Network(
            NetworkSpecification(
                inputs: inputs, outputs: outputs, width: width, depth: depth, path: path, correction: correction,
                activation: activation, embedding: embedding))
        var parameters = network.initialParameters(seed: 1)
        let generator = CounterRNG(seed: 1, purpose: "spread")
        do {
            var all = parameters.mutableSpan
            for block in network.layout.blocks where block.role == .parameter {
                for index in block.range { all[index] += Float(spread * generator.normal(UInt64(index))) }
            }
        }
        version = FrozenNetwork(network, parameters: parameters)
        self.inputs = Oracle.gaussian(inputs, examples, seed: 2)
        labels = (0..<examples).map { Int32($0 % outputs) }
    }

    func rows(_ probe: any NetworkProbe, shares: Int = 4) -> [DiagnosticRow] {
        ProbeTwin.rows([probe], version: version, inputs: inputs, labels: labels, shares: shares)
    }

    func value(_ probe: any NetworkProbe, _ quantity: String, layer: Int? = nil) throws -> Double {
        let row = try #require(rows(probe).first { $0.quantity == quantity && $0.layer == layer })
        return try #require(row.value.number, "\(row)")
    }

    /// The Jacobian from inputs to outputs at an example, by differences in float32.
    func differences(at example: Int, step: Float = 0.01) -> Matrix {
        let n = inputs.rows
        func outputs(_ offset: Float) -> Matrix {
            var moved = inputs.columns([example]).repeated(n)
            for unit in 0..<n { moved[unit, unit] += offset }
            return version.outputs(moved)
        }
        let (above, below) = (outputs(step), outputs(-step))
        var result = above
        for row in 0..<above.rows { for unit in 0..<n { result[row, unit] = (above[row, unit] - below[row, unit]) / (2 * step) } }
        return result
    }
}

@Suite("Probes of a frozen version")
struct ProbeTests {
    static let bottleneck = CorrectionSpecification(kind: "bottleneck", options: ["rank": 3, "cap": 0.5])
    static let families: [(PathSpecification, CorrectionSpecification, Activation)] = [
        (.dense, .none, .tanh), (.dense, .none, .relu), (.householder(reflectors: 3), bottleneck, .none),
        (PathSpecification(family: "cayley"), .none, .none), (PathSpecification(family: "skew-euler"), bottleneck, .none),
        (PathSpecification(family: "gradient-flow"), .none, .none), (PathSpecification(family: "spectral-norm"), .none, .tanh),
    ]

    @Test("derivatives through the whole network are differences of its outputs, and adjoint", arguments: 0..<7)
    func derivatives(family: Int) throws {
        let (path, correction, activation) = Self.families[family]
        let probed = try ProbedNetwork(
            path, correction: correction, activation: activation, inputs: 6,
            embedding: EmbeddingSpecification(activation: .tanh))
        let values = probed.version.trace(probed.inputs.columns([1]))
        var (forward, backward) = (Matrix.identity(6), Matrix.identity(4))
        for map in 0...4 {
            forward = probed.version.jvp(
                of: map, at: values[map].repeated(6), output: values[map + 1].repeated(6), forward)
        }
        for map in (0...4).reversed() { backward = probed.version.vjp(of: map, at: values[map].repeated(4), backward) }
        let expected = probed.differences(at: 1)
        for row in 0..<4 {
            for unit in 0..<6 {
                #expect(abs(forward[row, unit] - backward[unit, row]) < 2e-5)
                // Central differences of step 0.01 err by its square and by ε/0.01; ReLU's kinks are not in reach of this point.
                #expect(abs(forward[row, unit] - expected[row, unit]) < 2e-3, "\(path.family)")
            }
        }
    }

    @Test("any number of shares gives the same rows, empty ones too", arguments: [1, 2, 5, 9])
    func shares(count: Int) throws {
        let probed = try ProbedNetwork(.householder(reflectors: 3), correction: Self.bottleneck, examples: 6)
        for probe in NetworkProbes.all where probe.name != "adjoint" {
            #expect(probed.rows(probe, shares: count) == probed.rows(probe, shares: 3), "\(probe.name)")
        }
    }

    @Test("the batch's chosen examples are spread over it, each in one share")
    func chosen() throws {
        let probed = try ProbedNetwork(.identity, width: 2, inputs: 2, outputs: 2, examples: 101)
        let rows = probed.rows(JacobianProbe(), shares: 7)
        #expect(rows.allSatisfy { $0.value.number != nil }, "a slot that nobody fills is 0, one filled twice doubles the rank")
        #expect(rows.last?.value.number == 2)
    }

    @Test("an orthogonal network is an isometry: D9, D10", arguments: ["householder", "cayley", "identity"])
    func isometry(family: String) throws {
        let probed = try ProbedNetwork(PathSpecification(family: family), depth: 5)
        for layer in 1...5 {
            #expect(abs(try probed.value(LayerJacobianProbe(), "jacobian_sigma_max_max", layer: layer) - 1) < 1e-5)
            #expect(abs(try probed.value(LayerJacobianProbe(), "jacobian_sigma_min_min", layer: layer) - 1) < 1e-5)
        }
        for quantity in ["lyapunov_exponent_max", "lyapunov_exponent_min", "sigma_max_decades_max", "sigma_min_decades_min"] {
            #expect(abs(try probed.value(JacobianProbe(), quantity)) < 1e-5, "\(quantity)")
        }
        #expect(try probed.value(JacobianProbe(), "jacobian_rank_mean") == 8)
    }

    @Test("a ReLU network loses rank: no exponent where there is none")
    func relu() throws {
        let rows = try ProbedNetwork(.dense, activation: .relu, depth: 6, width: 16, inputs: 16).rows(JacobianProbe())
        #expect(rows.first { $0.quantity == "lyapunov_exponent_min" }!.value.reason == "the Jacobian loses rank at 6 of 6 examples")
        #expect(rows.first { $0.quantity == "sigma_min_decades_min" }!.value.reason != nil)
        #expect(rows.first { $0.quantity == "jacobian_rank_mean" }!.value.number! < 16)
    }

    @Test("D11, D24: of one linear map all bounds meet; of others the met is below the proven", arguments: 0..<7)
    func lipschitz(family: Int) throws {
        let (path, correction, activation) = Self.families[family]
        for depth in [1, 6] {
            let probed = try ProbedNetwork(path, correction: correction, activation: activation, depth: depth)
            let tightness = try probed.value(LipschitzProbe(), "lipschitz_tightness")
            #expect(tightness <= 1 && tightness > 0)
            let share = probed.rows(PerturbationProbe()).first { $0.quantity == "perturbation_gain_share_of_bound" }!.value
            #expect(share.number! <= 1 + share.uncertainty! && share.uncertainty! < 1e-3)
            let met = pow(10, try probed.value(LipschitzProbe(), "lipschitz_lower_decades"))
            let worst = try LAPACK.singularValues(probed.differences(at: 0).view)[0]
            #expect(met >= Double(worst) * 0.99)
        }
        let linear = try ProbedNetwork(.identity)
        #expect(try linear.value(LipschitzProbe(), "lipschitz_tightness") > 1 - 1e-4)
        let gain = try linear.value(PerturbationProbe(), "perturbation_gain_worst_direction_mean")
        #expect(abs(log10(gain) - (try linear.value(LipschitzProbe(), "lipschitz_upper_decades"))) < 1e-4)
        #expect(try linear.value(PerturbationProbe(), "perturbation_gain_random_max") < gain)
    }

    @Test("D25: of a linear network the radius is the closed form; the shortest way to the other class is no shorter")
    func radius() throws {
        let probed = try ProbedNetwork(.identity, outputs: 2, examples: 8)
        let outputs = probed.version.outputs(probed.inputs)
        let margins = probed.labels.enumerated().map { Double(outputs[Int($1), $0] - outputs[1 - Int($1), $0]) }
        let right = margins.filter { $0 > 0 }
        #expect(!right.isEmpty && right.count < 8)
        let lipschitz = pow(10, try probed.value(LipschitzProbe(), "lipschitz_upper_decades"))
        #expect(abs(try probed.value(CertifiedRadiusProbe(), "margin_mean") - margins.reduce(0, +) / 8) < 1e-6)
        #expect(try probed.value(CertifiedRadiusProbe(), "right_share") == Double(right.count) / 8)
        let radii = margins.map { max(0, $0) / (2.0.squareRoot() * lipschitz) }
        #expect(abs(try probed.value(CertifiedRadiusProbe(), "certified_radius_mean") - radii.reduce(0, +) / 8) < 1e-6)
        let sorted = radii.sorted()
        #expect(abs(try probed.value(CertifiedRadiusProbe(), "certified_radius_median") - (sorted[3] + sorted[4]) / 2) < 1e-6)
        // The classes meet on a plane, at margin/‖∇(z₀ − z₁)‖.
        let jacobian = probed.differences(at: 0)
        let slope = (0..<8).reduce(0.0) { $0 + pow(Double(jacobian[0, $1] - jacobian[1, $1]), 2) }.squareRoot()
        for (margin, radius) in zip(margins, radii) where margin > 0 { #expect(radius <= margin / slope * 1.001) }
    }

    @Test("D26: every layer's backward pass is the adjoint of its derivative", arguments: 0..<7)
    func adjoint(family: Int) throws {
        let (path, correction, activation) = Self.families[family]
        let probed = try ProbedNetwork(path, correction: correction, activation: activation)
        for layer in 1...3 { #expect(try probed.value(AdjointProbe(), "adjoint_error_max", layer: layer) < 1e-5) }
    }

    @Test("hard networks: a reason or a number, never a crash", arguments: ["nan", "zero", "one", "single"])
    func hard(kind: String) throws {
        let width = kind == "one" ? 1 : 5
        let small = try ProbedNetwork(
            .dense, activation: .tanh, depth: 2, width: width, inputs: width, outputs: 2, examples: kind == "single" ? 1 : 3)
        var parameters = small.version.parameters
        if kind == "nan" || kind == "zero" {
            var all = parameters.mutableSpan
            VectorKernels.fill(&all, with: kind == "nan" ? .nan : 0)
        }
        let version = FrozenNetwork(small.version.network, parameters: parameters)
        for probe in NetworkProbes.all {
            let rows = ProbeTwin.rows([probe], version: version, inputs: small.inputs, labels: small.labels)
            #expect(!rows.isEmpty)
            for row in rows {
                // What no parameter takes part in is right even of a network that is not a number: x₀ of the identity embedding.
                let isOfInputs = ["D22", "D23"].contains(row.diagnostic) && row.layer == 0
                if let number = row.value.number { #expect(number.isFinite && (kind != "nan" || isOfInputs), "\(kind) \(row)") }
                if let reason = row.value.reason { #expect(!reason.isEmpty) }
            }
            let none = ProbeTwin.rows([probe], version: version, inputs: Matrix(rows: width, columns: 0), labels: [])
            #expect(none.count == rows.count)
        }
    }
}
