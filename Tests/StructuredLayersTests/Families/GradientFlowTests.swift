import LinearAlgebra
import Testing

@testable import StructuredLayers

extension GradientFlowPath: NaivePath {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        let sigma = Naive.powerStep(blocks[0], from: blocks[2], rows: pair.rows).sigma
        let z = zip(Naive.multiply(blocks[0], x, rows: pair.rows), blocks[1]).map { $0 + $1 }
        let pull = Naive.multiplyTransposed(blocks[0], Naive.activate(z, activation), columns: width)
        return zip(x, pull).map { $0 - Traced(step) / (sigma * sigma) * $1 }
    }
}

@Suite("Gradient-flow paths")
struct GradientFlowTests {
    static func lone(_ options: [String: OptionValue]) throws -> LonePath {
        var lone = try LonePath("gradient-flow", options, inputs: 12, outputs: 12)
        let generator = CounterRNG(seed: 3, purpose: "bias")
        lone.update(block: 1) { offset, _ in Float(generator.normal(UInt64(offset))) }
        lone.settle()
        return lone
    }

    @Test("T4: no two points move apart, and no Jacobian leaves the certificate", arguments: [0.3, 1, 2], [5, 12, 30])
    func contraction(step: Double, hidden: Int) throws {
        let lone = try Self.lone(["step": .number(step), "hidden": .integer(hidden)])
        let certificate = try lone.certificate()
        #expect(certificate.upper < 1.001 && certificate.lower >= max(0, 1 - step) * 0.999 - 1e-3)
        for draw in 0..<50 {
            let x = LayerTests.random(12, 2, "draw \(draw)")
            let y = lone.forward(x)
            func distance(_ a: Matrix) -> Double { Naive.norm((0..<12).map { Traced(Double(a[$0, 0]) - Double(a[$0, 1])) }).value }
            #expect(distance(y) <= distance(x) * certificate.upper && distance(y) >= distance(x) * certificate.lower)
            let jacobian = lone.jacobian(LayerTests.random(12, 1, "point \(draw)"))
            let values = try LAPACK.singularValues(jacobian.view)
            #expect(Double(values[0]) <= certificate.upper && Double(values.last!) >= certificate.lower)
            for i in 0..<12 { for j in 0..<i { #expect(abs(jacobian[i, j] - jacobian[j, i]) < 1e-6) } }
        }
    }

    @Test("without φ the spectrum is |1 − c·σᵢ²/σ₁²|")
    func linear() throws {
        let lone = try Self.lone(["step": 0.8, "activation": "none"])
        let sigma = try LAPACK.singularValues(MatrixView(lone.parameters.span.extracting(lone.places[0]), rows: 12, columns: 12))
        let exact = sigma.map { 1 - 0.8 * Double($0 * $0 / (sigma[0] * sigma[0])) }.sorted(by: >)
        let values = try LAPACK.singularValues(lone.jacobian(Matrix(rows: 12, columns: 1)).view)
        for (value, exact) in zip(values, exact) { #expect(abs(Double(value) - exact) < 1e-5) }
    }

    @Test("when the warm vector lags, the step is too long, and the certificate says by how much")
    func lagging() throws {
        var lone = try Self.lone(["step": 2, "activation": "none"])
        lone.update(block: 2) { offset, _ in offset == 0 ? 1 : 0 }
        let certificate = try lone.certificate()
        let largest = Double(try LAPACK.singularValues(lone.jacobian(Matrix(rows: 12, columns: 1)).view)[0])
        #expect(largest > 1.01 && certificate.upper >= largest && certificate.upper < largest * 1.001)
    }

    @Test("refuse steps that may move points apart")
    func refusals() {
        func refusal(_ options: [String: OptionValue]) -> String {
            SpecificationTests.refusal { $0.path = PathSpecification(family: "gradient-flow", options: options) }
        }
        #expect(
            refusal(["step": 2.5])
                == "model.path.step: got 2.5, expected a number from 1e-30 to 1e30, c/L or c/sqrt(L), at most 2.0 at depth 2")
        #expect(refusal(["step": "4/L"]) == "accepted")
        #expect(refusal(["hidden": 65]) == "model.path.hidden: got 65, expected 1…64, eight times the width")
    }
}
