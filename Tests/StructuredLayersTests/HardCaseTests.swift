import LinearAlgebra
import Testing

@testable import StructuredLayers

/// Parameters and settings at which a careless bound, or a careless count, would look right.
@Suite("Hard cases")
struct HardCaseTests {
    @Test(
        "a low-rank correction whose factors cancel rounds by the size of the factors, and its certificate says so",
        arguments: [false, true])
    func cancellation(capped: Bool) throws {
        let options: [String: OptionValue] = ["rank": 2, "cap": capped ? 0.5 : "none"]
        let network = try CorrectionTests.network("low-rank", options, depth: 1)
        var parameters = network.initialParameters(seed: 3)
        let up = try #require(network.layout.blocks.first { $0.name == "layers.0.correction.up" }).range
        let down = try #require(network.layout.blocks.first { $0.name == "layers.0.correction.down" }).range
        do {
            var all = parameters.mutableSpan
            for (offset, index) in up.enumerated() { all[index] = 1000 * (1 + Float(offset / 2) / 7) }
            // The second row of Vᵀ is the first one's negative but for the last bits.
            let n = down.count / 2
            for j in 0..<n { all[down.lowerBound + n + j] = -all[down.lowerBound + j] * (1 + 1e-6) }
        }
        let certificate = try network.certificates(parameters)[0]
        // U·Vᵀ alone is far smaller than what float32 leaves of U·(Vᵀ·x).
        #expect(certificate.jacobian.upper - certificate.correctionUpper - 1 > 1e-4)
        try LayerTests.checkCertificates(network, at: parameters)
    }

    @Test("lower bounds that are differences allow for the rounding of their terms")
    func differences() throws {
        var skew = try LonePath("skew-euler", ["activation": "none", "step": 1, "damping": 0.999], inputs: 6, outputs: 6)
        skew.update(block: 0) { _, _ in 0 }
        let flow = try LonePath("gradient-flow", ["step": 0.999, "activation": "none"], inputs: 6, outputs: 6)
        for lone in [skew, flow] {
            let values = try LAPACK.singularValues(lone.jacobian(LayerTests.random(6, 1, "point")).view)
            let certificate = try lone.certificate()
            #expect(Double(values.last!) >= certificate.lower && Double(values[0]) <= certificate.upper)
            #expect(certificate.lower < 1e-3 - Double(Float.ulpOfOne) && certificate.lower > 5e-4)
        }
    }

    @Test("a map that is not a number has no certificate", arguments: ["gradient-flow", "spectral-norm"])
    func notANumber(family: String) throws {
        var lone = try LonePath(family, inputs: 6, outputs: 6)
        lone.update(block: 0) { _, _ in 0 }
        #expect(throws: LAPACKError.self) { try lone.certificate() }
    }

    @Test("numbers that float32 cannot hold are refused, not used as 0 or infinity")
    func range() {
        for scale in [1e-46, 1e39] as [OptionValue] {
            let refusal = SpecificationTests.refusal {
                $0.correction = .init(kind: "dense", options: ["scale": scale])
            }
            #expect(refusal.contains("model.correction.scale: got") && refusal.contains("from 1e-30 to 1e30"), "\(refusal)")
        }
        let bound = SpecificationTests.refusal { $0.path = .init(family: "spectral-norm", options: ["bound": 1e39]) }
        #expect(bound == "model.path.bound: got 1e+39, expected a number above 0 that a float32 holds")
        #expect(
            SpecificationTests.refusal { $0.path = .init(family: "spectral-norm", options: ["bound": 1e-46]) }.contains("float32"))
    }

    @Test("outputs that are not numbers are right about nothing")
    func notANumberIsNoClass() throws {
        let network = try Network(NetworkSpecification(inputs: 3, outputs: 4, width: 5, depth: 1))
        var parameters = network.initialParameters(seed: 1)
        let readout = try #require(network.layout.blocks.first { $0.name == "readout.bias" }).range
        var workspace = network.makeWorkspace(batch: 2)
        network.derive(parameters.span, into: &workspace)
        func correct(_ workspace: inout NetworkWorkspace) -> Int {
            network.evaluate(
                parameters: parameters.span, inputs: LayerTests.random(3, 2, "inputs").view, labels: [0, 0], workspace: &workspace
            ).correct
        }
        do {
            var all = parameters.mutableSpan
            all[readout.lowerBound] = 100
        }
        #expect(correct(&workspace) == 2)
        do {
            var all = parameters.mutableSpan
            all[readout.lowerBound + 2] = .nan
        }
        #expect(correct(&workspace) == 0)
    }
}
