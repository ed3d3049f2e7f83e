import Foundation
import LinearAlgebra
import Testing

@testable import StructuredLayers

/// The theorems of docs/theorems.md, on networks that are drawn and on networks that are trained.
@Suite("Theorems")
struct TheoremTests {
    /// Paths whose singular values all lie in a certified [a, b] for all parameters.
    static let paths: [PathSpecification] = [.identity, .householder(reflectors: 3), .householder(reflectors: 8)]
    static let kinds = ["bottleneck", "low-rank", "gated-low-rank", "dense"]
    static let width = 8

    /// A certified network: an orthogonal path, a correction under the cap c/L, no outer activation unless told otherwise.
    static func network(
        _ path: PathSpecification, kind: String, depth: Int, c: Double, scale: OptionValue = "none", clip: OptionValue = "none",
        activation: Activation = .none
    ) throws -> Network {
        var options: [String: OptionValue] = ["cap": .text("\(c)/L"), "scale": scale, "outputClip": clip]
        if kind != "dense" { options["rank"] = 3 }
        return try Network(
            NetworkSpecification(
                inputs: width, outputs: 4, width: width, depth: depth, path: path,
                correction: CorrectionSpecification(kind: kind, options: options), activation: activation,
                embedding: EmbeddingSpecification(kind: .identity)))
    }

    /// Parameters of a new network with every block disturbed by `spread`.
    static func parameters(_ network: Network, draw: UInt64, spread: Float) -> AlignedVector {
        var parameters = network.initialParameters(seed: draw)
        var all = parameters.mutableSpan
        let generator = CounterRNG(seed: draw, purpose: "spread")
        for block in network.layout.blocks where block.name.hasPrefix("layers") {
            for index in block.range { all[index] += Float(generator.normal(UInt64(index))) * spread }
        }
        return parameters
    }

    /// The singular values of the end-to-end Jacobian of the layers at `point`, descending, by forward products of all unit vectors.
    static func singularValues(_ network: Network, _ parameters: AlignedVector, at point: Matrix) throws -> [Double] {
        var (x, t) = (Matrix(rows: width, columns: width), Matrix(rows: width, columns: width))
        for i in 0..<width { for b in 0..<width { (x[i, b], t[i, b]) = (point[i, 0], i == b ? 1 : 0) } }
        for index in network.layers.indices {
            var work = network.layers[index].makeWork(batch: width)
            network.layers[index].derive(parameters.span, network.places[index], &work)
            var (y, next) = (Matrix(rows: width, columns: width), Matrix(rows: width, columns: width))
            do {
                var view = y.mutableView
                network.layers[index].forward(x.view, parameters.span, network.places[index], &work, into: &view)
            }
            do {
                var view = next.mutableView
                network.layers[index].jvp(
                    x.view, t.view, output: y.view, parameters.span, network.places[index], &work, into: &view)
            }
            (x, t) = (y, next)
        }
        return try LAPACK.singularValues(t.view).map { Double($0) }
    }

    /// The slope over depth of log₁₀‖∂L/∂x_l‖, l = 0…L, by least squares.
    static func deltaSlope(_ network: Network, _ parameters: AlignedVector, at points: Matrix) -> Double {
        var workspace = network.makeWorkspace(batch: points.columns)
        network.derive(parameters.span, into: &workspace)
        var gradient = AlignedVector(count: network.layout.count)
        var span = gradient.mutableSpan
        let labels = (0..<points.columns).map { Int32($0 % 4) }
        let sums = network.gradient(
            parameters: parameters.span, inputs: points.view, labels: labels, into: &span, workspace: &workspace, gathers: true
        ).sums
        let logs = sums.deltaSquares.map { 0.5 * log10($0) }
        let centre = Double(logs.count - 1) / 2
        let products = logs.enumerated().reduce(0.0) { $0 + (Double($1.offset) - centre) * $1.element }
        return products / logs.indices.reduce(0.0) { $0 + (Double($1) - centre) * (Double($1) - centre) }
    }

    /// T1 for one network at one point.
    static func checkIsometry(_ network: Network, _ parameters: AlignedVector, c: Double, draw: UInt64) throws {
        let point = LayerTests.random(width, 1, "point-\(draw)")
        let (values, depth) = (try singularValues(network, parameters, at: point), network.layers.count)
        let (largest, smallest) = (values[0], values[width - 1])
        // The layers' certificates, which allow for rounding.
        let certificates = try network.certificates(parameters)
        #expect(largest <= certificates.reduce(1) { $0 * $1.jacobian.upper })
        #expect(smallest >= certificates.reduce(1) { $0 * $1.jacobian.lower })
        // The closed form, with ε for what rounding and the reflections' condition add in a layer.
        let (rho, epsilon) = (c / Double(depth), certificates.map { $0.path.upper - 1 }.max()! + 1e-6)
        let isLinear = network.specification.activation == .none
        #expect(largest <= pow((1 + rho) * (1 + epsilon), Double(depth)))
        if isLinear { #expect(smallest >= pow(max(0, 1 - rho) * (1 - epsilon), Double(depth))) }
        guard isLinear, depth > 1, rho < 1 else { return }
        let slope = deltaSlope(network, parameters, at: LayerTests.random(width, 4, "points-\(draw)"))
        // δ_l = J_lᵀ·δ_{l+1}: each difference of logs, so their slope too, lies between −log₁₀(1 + ρ) and −log₁₀(1 − ρ).
        #expect(slope >= -log10((1 + rho) * (1 + epsilon)) && slope <= -log10((1 - rho) * (1 - epsilon)))
    }

    @Test("T1: 1,000 drawn networks, depth 1 to 512, keep to [(1 − c/L)^L, (1 + c/L)^L] and to the slopes that follow")
    func isometryOfDraws() throws {
        let depths = [1, 2, 3, 4, 8, 16, 32, 64, 128, 512]
        for draw in 0..<UInt64(1000) {
            let dice = CounterRNG(seed: draw, purpose: "theorem-1")
            func pick<Value>(_ values: [Value], _ number: UInt64) -> Value {
                values[Int(dice.bits(number) % UInt64(values.count))]
            }
            let c = pick([0.25, 0.5, 0.9, 2], 0)
            let network = try Self.network(
                pick(Self.paths, 1), kind: pick(Self.kinds, 2), depth: depths[Int(draw) % depths.count], c: c,
                scale: pick(["none", 0.5], 3), clip: pick(["none", "none", 0.1], 4),
                activation: pick([.none, .none, .none, .tanh], 5))
            let parameters = Self.parameters(network, draw: draw, spread: pick([0, 0.1, 0.5, 2], 6))
            try Self.checkIsometry(network, parameters, c: c, draw: draw)
        }
    }

    @Test("T1: trained networks keep to it after every step", arguments: [2, 8, 32, 128, 512])
    func isometryInTraining(depth: Int) throws {
        for kind in Self.kinds {
            let network = try Self.network(.householder(reflectors: 4), kind: kind, depth: depth, c: 0.9)
            var parameters = Self.parameters(network, draw: 5, spread: 0.05)
            var workspace = network.makeWorkspace(batch: 16)
            var gradient = AlignedVector(count: network.layout.count)
            let (inputs, labels) = (LayerTests.random(Self.width, 16, "inputs"), (0..<16).map { Int32($0 * 7 % 4) })
            var losses: [Double] = []
            for step in 0..<24 {
                network.derive(parameters.span, into: &workspace)
                var span = gradient.mutableSpan
                losses.append(
                    network.gradient(
                        parameters: parameters.span, inputs: inputs.view, labels: labels, into: &span, workspace: &workspace
                    ).lossSum)
                var all = parameters.mutableSpan
                // Steps of a length of their own, so that the parameters do move; shorter and shorter ones, so that they arrive.
                let length = VectorKernels.sumOfSquares(span.span).squareRoot()
                VectorKernels.axpy(Float(-0.2 * (1 - Double(step) / 24) / length), span.span, into: &all)
                if step % 8 == 7 { try Self.checkIsometry(network, parameters, c: 0.9, draw: UInt64(step)) }
            }
            #expect(losses.last! < losses[0], "\(kind) learns")
        }
    }

    @Test("T2: where b + ρ < 1 the iterated layer has one fixed point, reached at the rate b + ρ at least", arguments: kinds)
    func fixedPoint(kind: String) throws {
        let n = Self.width
        for (seed, activation) in [Activation.none, .tanh, .relu].enumerated() {
            let network = try Network(
                NetworkSpecification(
                    inputs: n, outputs: 4, width: n, depth: 1, path: .dense,
                    correction: CorrectionSpecification(kind: kind, options: ["cap": 0.3]), activation: activation))
            var parameters = Self.parameters(network, draw: UInt64(seed), spread: 0.5)
            do {
                let place = network.places[0].path[0]
                let norm = try LAPACK.singularValues(MatrixView(parameters.span.extracting(place), rows: n, columns: n))[0]
                var all = parameters.mutableSpan
                var weight = all.part(place)
                VectorKernels.scale(&weight, by: 0.6 / norm)
            }
            let rate = try network.certificates(parameters)[0].jacobian.upper
            #expect(rate < 0.9001 && rate > 0.8999, "both branches at their bounds")
            // Eight starts side by side, far apart.
            var x = LayerTests.random(n, 8, "starts")
            do {
                var span = x.mutableSpan
                VectorKernels.scale(&span, by: 30)
            }
            var work = network.layers[0].makeWork(batch: 8)
            network.layers[0].derive(parameters.span, network.places[0], &work)
            var path = [x]
            for _ in 0..<600 {
                var y = Matrix(rows: n, columns: 8)
                do {
                    var view = y.mutableView
                    network.layers[0].forward(x.view, parameters.span, network.places[0], &work, into: &view)
                }
                x = y
                path.append(x)
            }
            for b in 1..<8 { for i in 0..<n { #expect(abs(x[i, b] - x[i, 0]) < 1e-5 * max(1, abs(x[i, 0]))) } }
            func error(_ k: Int, _ b: Int) -> Double {
                (0..<n).reduce(0.0) { $0 + pow(Double(path[k][$1, b] - x[$1, b]), 2) }.squareRoot()
            }
            // Rounding feeds the error anew in each iteration: about ε·n·‖x‖/(1 − rate) at the end.
            let floor = 1e-5 * (1 + VectorKernels.sumOfSquares(x.span).squareRoot())
            for b in 0..<8 {
                for k in 1...60 { #expect(error(k, b) <= pow(rate, Double(k)) * error(0, b) * (1 + 1e-6) + floor) }
            }
        }
    }
}
