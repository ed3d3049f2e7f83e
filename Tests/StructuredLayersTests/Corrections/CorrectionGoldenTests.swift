import LinearAlgebra
import Testing

@testable import StructuredLayers

@Suite("Golden values of corrections")
struct CorrectionGoldenTests {
    /// The cases of `Tests/Oracles/corrections.py`.
    static let cases: [String: CorrectionSpecification] = [
        "low-rank": .init(kind: "low-rank", options: ["rank": 2, "cap": 0.3]),
        "gated-low-rank": .init(kind: "gated-low-rank", options: ["rank": 2, "scale": "rezero", "cap": 0.4]),
        "dense": .init(kind: "dense", options: ["scale": "layerscale", "cap": 0.5]),
        "bottleneck-clipped": .init(kind: "bottleneck", options: ["rank": 2, "scale": 0.5, "outputClip": 0.3]),
        "dense-clipped": .init(kind: "dense", options: ["scale": "layerscale", "cap": 0.7, "outputClip": 0.2]),
    ]

    @Test("loss, gradients and certificate agree", arguments: cases.keys.sorted())
    func golden(name: String) throws {
        let golden = try #require(try GoldenTests.cases("corrections")[name])
        let network = try Network(
            NetworkSpecification(
                inputs: 3, outputs: 2, width: 4, depth: 1, path: .identity, correction: try #require(Self.cases[name])))
        let parameters = try GoldenTests.check(network, golden)
        let certificate = try network.certificates(parameters)[0].correctionUpper
        #expect(abs(certificate - golden["certificate"]![0]) < 1e-6 * certificate)
    }
}
