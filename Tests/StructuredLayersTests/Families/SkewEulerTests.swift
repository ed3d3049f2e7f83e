import LinearAlgebra
import Testing

@testable import StructuredLayers

extension SkewEulerPath: NaivePath {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        let (n, h, gamma) = (triangle.width, Traced(Double(step)), Traced(Double(damping)))
        let product = Naive.multiply(Naive.skew(blocks[0], n), x, rows: n)
        let z = x.indices.map { product[$0] - gamma * x[$0] + blocks[1][$0] }
        return zip(x, Naive.activate(z, activation)).map { $0 + h * $1 }
    }
}

@Suite("Skew Euler paths")
struct SkewEulerTests {
    static func lone(_ options: [String: OptionValue], width: Int = 16) throws -> LonePath {
        var lone = try LonePath("skew-euler", options, inputs: width, outputs: width)
        let generator = CounterRNG(seed: 3, purpose: "bias")
        lone.update(block: 1) { offset, _ in Float(generator.normal(UInt64(offset))) }
        return lone
    }

    /// Descending.
    static func frequencies(_ lone: LonePath, width: Int = 16) throws -> [Double] {
        let triangle = try SkewTriangle(
            context: LayerContext(inputs: width, outputs: width, depth: 1, index: 0), family: "skew-euler")
        var a = Matrix(rows: width, columns: width)
        do {
            var view = a.mutableView
            triangle.expand(lone.parameters.span.extracting(lone.places[0]), diagonal: 0, into: &view)
        }
        return try LAPACK.singularValues(a.view).map { Double($0) }
    }

    @Test(
        "T3: without φ the singular values are √((1 − hγ)² + h²ω²), and the certificate is as tight as that",
        arguments: [0, 0.3, 4])
    func linear(damping: Double) throws {
        let lone = try Self.lone(["step": 0.4, "damping": .number(damping), "activation": "none"])
        let values = try LAPACK.singularValues(lone.jacobian(Matrix(rows: 16, columns: 1)).view)
        let omega = try Self.frequencies(lone)
        let exact = omega.map { ((1 - 0.4 * damping) * (1 - 0.4 * damping) + 0.16 * $0 * $0).squareRoot() }
        for (value, exact) in zip(values, exact) { #expect(abs(Double(value) - exact) < 1e-5) }
        let certificate = try lone.certificate()
        #expect(certificate.upper >= exact[0] && certificate.upper < exact[0] * 1.0001)
        #expect(certificate.lower <= exact.last!)
    }

    @Test("T3: skew-symmetry alone is no stability: an undamped step grows; a damped one contracts up to h = 2γ/(γ² + ‖A‖²)")
    func growth() throws {
        let undamped = try Self.lone(["step": 0.1, "damping": 0, "activation": "none"])
        #expect(try LAPACK.singularValues(undamped.jacobian(Matrix(rows: 16, columns: 1)).view)[0] > 1.001)
        let norm = try Self.frequencies(undamped)[0]
        let limit = 2 * 0.3 / (0.3 * 0.3 + norm * norm)
        let options: [String: OptionValue] = ["step": .number(limit), "damping": 0.3, "activation": "none"]
        let largest = try LAPACK.singularValues(Self.lone(options).jacobian(Matrix(rows: 16, columns: 1)).view)[0]
        #expect(abs(largest - 1) < 1e-5)
    }

    @Test("T3: under tanh even a damped step of that size can grow, within the certificate at every point")
    func nonlinear() throws {
        let lone = try Self.lone(["step": 0.1, "damping": 0.1])
        let certificate = try lone.certificate()
        var largest = 0.0
        for draw in 0..<200 {
            var x = LayerTests.random(16, 1, "draw \(draw)")
            for i in 0..<16 { x[i, 0] *= Float(1 + draw % 5) }
            let values = try LAPACK.singularValues(lone.jacobian(x).view)
            largest = max(largest, Double(values[0]))
            #expect(Double(values[0]) <= certificate.upper && Double(values.last!) >= certificate.lower)
        }
        #expect(largest > 1)
    }

    @Test("the learning rate shrinks by √L, unless scaling is off")
    func multipliers() throws {
        let scaled = try LonePath("skew-euler", inputs: 4, outputs: 4, depth: 9).path.blocks
        #expect(scaled.map(\.learningRateMultiplier) == [1 / 3, 1 / 3])
        let plain = try LonePath("skew-euler", inputs: 4, outputs: 4, depth: 9, scaling: false).path.blocks
        #expect(plain.map(\.learningRateMultiplier) == [1, 1])
    }

    @Test("steps are written as numbers or as functions of the depth")
    func options() throws {
        func step(_ value: OptionValue) throws -> Float? {
            (try LonePath("skew-euler", ["step": value], inputs: 4, outputs: 4, depth: 16).path as? SkewEulerPath)?.step
        }
        #expect(try step("4/L") == 0.25 && step("2/sqrt(L)") == 0.5 && step(0.75) == 0.75)
        func refusal(_ options: [String: OptionValue]) -> String {
            SpecificationTests.refusal { $0.path = PathSpecification(family: "skew-euler", options: options) }
        }
        #expect(refusal(["step": "h"]) == "model.path.step: got h, expected a number from 1e-30 to 1e30, c/L or c/sqrt(L)")
        #expect(refusal(["damping": -1]) == "model.path.damping: got -1, expected a number of at least 0")
    }
}
