import LinearAlgebra
import Testing

@testable import StructuredLayers

@Suite("Corrections")
struct CorrectionTests {
    static func network(
        _ kind: String, _ options: [String: OptionValue], width: Int = 12, depth: Int = 2, learningRateScaling: Bool = true
    ) throws -> Network {
        try Network(
            NetworkSpecification(
                inputs: 6, outputs: 4, width: width, depth: depth, path: .identity, correction: .init(kind: kind, options: options),
                learningRateScaling: learningRateScaling))
    }

    static func output(_ network: Network, _ parameters: AlignedVector, _ x: Matrix) -> Matrix {
        var work = network.layers[0].makeWork(batch: x.columns)
        network.layers[0].derive(parameters.span, network.places[0], &work)
        var y = Matrix(rows: network.layers[0].outputs, columns: x.columns)
        do {
            var view = y.mutableView
            network.layers[0].forward(x.view, parameters.span, network.places[0], &work, into: &view)
        }
        return y
    }

    @Test("low-rank: the bound is the norm of the product, where the product of the norms is larger", arguments: [1, 3, 12])
    func exactNorm(rank: Int) throws {
        let network = try Self.network("low-rank", ["rank": .integer(rank)])
        let parameters = Sample.parameters(network)
        let bound = try network.certificates(parameters)[0].correctionUpper
        let (up, down) = (network.places[0].correction[0], network.places[0].correction[1])
        var product = Matrix(rows: 12, columns: 12)
        do {
            var view = product.mutableView
            BLAS.gemm(
                MatrixView(parameters.span.extracting(up), rows: 12, columns: rank),
                MatrixView(parameters.span.extracting(down), rows: rank, columns: 12), into: &view)
        }
        let exact = Double(try LAPACK.singularValues(product.view)[0])
        #expect(abs(bound - exact) < 1e-5 * exact)
        if rank == 3 {
            let norms = try [
                LAPACK.singularValues(MatrixView(parameters.span.extracting(up), rows: 12, columns: rank))[0],
                LAPACK.singularValues(MatrixView(parameters.span.extracting(down), rows: rank, columns: 12))[0],
            ]
            #expect(bound < 0.99 * Double(norms[0] * norms[1]))
        }
    }

    @Test("low-rank and gated corrections begin at zero, bound and all", arguments: ["low-rank", "gated-low-rank"])
    func zero(kind: String) throws {
        let network = try Self.network(kind, ["cap": 0.5])
        let parameters = network.initialParameters(seed: 1)
        let x = LayerTests.random(12, 5, "x")
        let y = Self.output(network, parameters, x)
        let isEqual = (0..<60).allSatisfy { y.span[$0] == x.span[$0] }
        #expect(isEqual)
        #expect(try network.certificates(parameters)[0].correctionUpper == 0)
    }

    @Test("LayerScale starts where it is told, at a rate that moves it by a like part of itself at any width")
    func layerscale() throws {
        for (width, multiplier) in [(64, 0.32), (1024, 5.12)] as [(Int, Float)] {
            let network = try Self.network("low-rank", ["scale": "layerscale"], width: width, depth: 1)
            let block = try #require(network.layout.blocks.first { $0.name == "layers.0.correction.scale" })
            #expect(block.shape == [width] && !block.decays && abs(block.learningRateMultiplier - multiplier) < 1e-5)
            let parameters = network.initialParameters(seed: 1)
            #expect(block.range.allSatisfy { parameters.span[$0] == 0.01 })
        }
        let plain = try Self.network("low-rank", ["scale": "layerscale", "scaleStart": 0.5], learningRateScaling: false)
        #expect(plain.layout.blocks.allSatisfy { $0.learningRateMultiplier == 1 })
    }

    @Test("a fixed scale multiplies, by what it is at the network's depth")
    func fixed() throws {
        let (plain, scaled) = (try Self.network("dense", [:]), try Self.network("dense", ["scale": "3/sqrt(L)"]))
        let parameters = Sample.parameters(plain)
        let x = LayerTests.random(12, 5, "x")
        let (y, z) = (Self.output(plain, parameters, x), Self.output(scaled, parameters, x))
        let factor = 3 / Float(2).squareRoot()
        for i in 0..<12 {
            for b in 0..<5 {
                let bias = parameters.span[plain.places[0].bias!.lowerBound + i]
                #expect(abs((z[i, b] - x[i, b] - bias) - factor * (y[i, b] - x[i, b] - bias)) < 1e-5)
            }
        }
        #expect(
            abs(
                try scaled.certificates(parameters)[0].correctionUpper - Double(factor)
                    * plain.certificates(parameters)[0].correctionUpper) < 1e-6)
    }

    @Test("an output clip bounds ‖R(x)‖ and nothing of the certificate; a cap bounds the certificate and not ‖R(x)‖")
    func clipAndCap() throws {
        let kind = "bottleneck"
        let (plain, clipped) = (try Self.network(kind, [:]), try Self.network(kind, ["outputClip": "0.2/L"]))
        let capped = try Self.network(kind, ["cap": "0.2/L"])
        let parameters = Sample.parameters(plain)
        // Far away, so that R itself is large.
        var x = LayerTests.random(12, 64, "x")
        do {
            var span = x.mutableSpan
            VectorKernels.scale(&span, by: 50)
        }
        func largest(_ network: Network) -> Double {
            let y = Self.output(network, parameters, x)
            return (0..<64).map { b in
                (0..<12).reduce(0.0) { sum, i in
                    let r = Double(y[i, b] - x[i, b] - parameters.span[network.places[0].bias!.lowerBound + i])
                    return sum + r * r
                }.squareRoot()
            }.max()!
        }
        #expect(largest(clipped) < 0.1 * (1 + 1e-4) && largest(clipped) > 0.0999 && largest(capped) > 0.1)
        let bounds = try [plain, clipped, capped].map { try $0.certificates(parameters)[0].correctionUpper }
        #expect(bounds[0] == bounds[1] && bounds[0] > 0.1 && abs(bounds[2] - 0.1) < 1e-12)
    }

    @Test("the gauges say how much of a cap is used")
    func gauges() throws {
        let network = try Self.network("bottleneck", ["cap": 0.5, "outputClip": 0.25])
        let parameters = Sample.parameters(network)
        var workspace = network.makeWorkspace(batch: Sample.batch)
        network.derive(parameters.span, into: &workspace)
        _ = network.predict(parameters: parameters.span, inputs: Sample.inputs().view, workspace: &workspace)
        let gauges = network.capUtilisations(workspace)
        #expect(gauges.map(\.layer) == [1, 2] && gauges.allSatisfy { $0.outputs.count == Sample.batch })
        let certificates = try network.certificates(parameters)
        #expect(gauges.map(\.cap) == certificates.map(\.capUtilisation))
        let twin = try Self.network("bottleneck", ["cap": 0.5])
        let y = Self.output(twin, parameters, workspace.outputs[0])
        for b in 0..<Sample.batch {
            let square = (0..<12).reduce(0.0) { sum, i in
                let r = Double(y[i, b] - workspace.outputs[0][i, b] - parameters.span[twin.places[0].bias!.lowerBound + i])
                return sum + r * r
            }
            #expect(abs(gauges[0].outputs[b] - square.squareRoot() / 0.25) < 1e-4)
        }
        #expect(try Self.network("bottleneck", [:]).capUtilisations(workspace).isEmpty)
    }

    @Test("a convex combination of an orthogonal path and a capped correction is certified as one")
    func convex() throws {
        let network = try Self.network("dense", ["scale": 0.25, "mix": "convex", "cap": 0.5])
        let certificate = try network.certificates(Sample.parameters(network))[0]
        #expect(abs(certificate.correctionUpper - 0.125) < 1e-6 && certificate.path.upper == 1)
        #expect(abs(certificate.jacobian.upper - 0.875) < 1e-5 && abs(certificate.jacobian.lower - 0.625) < 1e-5)
    }

    @Test("reflectors that are not trained have no gradient, and pass the others' on")
    func fixedReflectors() throws {
        func gradient(_ trained: Bool) throws -> (Network, AlignedVector) {
            let network = try Network(
                NetworkSpecification(
                    inputs: 6, outputs: 4, width: 10, depth: 2,
                    path: .init(family: "householder", options: ["reflectors": 4, "trained": .flag(trained)])))
            let parameters = Sample.parameters(network)
            var (workspace, gradient) = (network.makeWorkspace(batch: 5), AlignedVector(count: network.layout.count))
            network.derive(parameters.span, into: &workspace)
            var span = gradient.mutableSpan
            _ = network.gradient(
                parameters: parameters.span, inputs: Sample.inputs().view, labels: Sample.labels, into: &span, workspace: &workspace
            )
            return (network, gradient)
        }
        let ((network, fixed), (_, trained)) = (try gradient(false), try gradient(true))
        for block in network.layout.blocks {
            let isReflector = block.name.hasSuffix("reflectors")
            let isAsSaid = block.range.allSatisfy { fixed.span[$0] == (isReflector ? 0 : trained.span[$0]) }
            #expect(isAsSaid, "\(block.name)")
        }
    }
}
