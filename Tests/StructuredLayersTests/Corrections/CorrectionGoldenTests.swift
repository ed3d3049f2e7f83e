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
        var parameters = AlignedVector(count: network.layout.count)
        do {
            var all = parameters.mutableSpan
            for block in network.layout.blocks {
                let values = try #require(golden["parameter:\(block.name)"])
                for (offset, index) in block.range.enumerated() { all[index] = Float(values[offset]) }
            }
        }
        let inputs = Matrix(rows: 3, columns: 3, elements: try #require(golden["inputs"]).map { Float($0) })
        var workspace = network.makeWorkspace(batch: 3)
        network.derive(parameters.span, into: &workspace)
        var gradient = AlignedVector(count: network.layout.count)
        let outcome: MicrobatchOutcome
        do {
            var span = gradient.mutableSpan
            outcome = network.gradient(
                parameters: parameters.span, inputs: inputs.view, labels: [0, 1, 1], into: &span, workspace: &workspace)
        }
        // As in `GoldenTests`: some tens of roundings of 6e-8.
        #expect(abs(outcome.lossSum - golden["loss"]![0]) < 1e-5)
        let certificate = try network.certificates(parameters)[0].correctionUpper
        #expect(abs(certificate - golden["certificate"]![0]) < 1e-6 * certificate)
        for block in network.layout.blocks {
            let exact = try #require(golden["gradient:\(block.name)"])
            let size = exact.map { $0 * $0 }.reduce(0, +).squareRoot()
            let differences = zip(block.range, exact).map { index, value in Double(gradient.span[index]) - value }
            #expect(differences.map { $0 * $0 }.reduce(0, +).squareRoot() < 2e-5 * max(1, size), "\(block.name)")
        }
    }
}
