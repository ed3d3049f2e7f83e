import Foundation
import LinearAlgebra
import Testing

@testable import StructuredLayers

/// Values that NumPy and SciPy computed: `Tests/Oracles/layers.py` makes the file.
@Suite("Golden values from NumPy and SciPy")
struct GoldenTests {
    static func cases(_ name: String = "layers") throws -> [String: [String: [Double]]] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Oracles/golden/\(name).txt")
        var (cases, current) = ([String: [String: [Double]]](), "")
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let words = line.split(separator: " ")
            if words[0] == "case" {
                current = String(words[1])
            } else {
                cases[current, default: [:]][String(words[0])] = words.dropFirst().compactMap { Double($0) }
            }
        }
        return cases
    }

    /// What the oracle takes for granted of each family.
    static let options: [String: [String: OptionValue]] = [
        "dense": [:], "householder": ["reflectors": 3, "mixing": false], "kronecker": [:], "block-diagonal": ["blocks": 2],
        "monarch": ["blocks": 2], "block-tensor-train": ["inputBlocks": 2, "outputBlocks": 2, "rank": 2],
        "diagonal-low-rank": ["rank": 2, "mixing": false],
        "identity": [:], "spectral-norm": ["bound": 0.8], "cayley": [:], "skew-euler": ["step": 0.4, "damping": 0.1],
        "gradient-flow": ["step": 1.5, "hidden": 3, "activation": "tanh"],
        "bounded-svd": ["reflectors": 3, "sigmaMin": 0.5, "sigmaMax": 2, "mixing": false],
    ]

    @Test("materialise, forward and backward agree", arguments: options.keys.sorted())
    func golden(family: String) throws {
        let golden = try #require(try Self.cases()[family])
        let options = try #require(Self.options[family])
        let network = try Network(
            NetworkSpecification(
                inputs: 3, outputs: 2, width: 4, depth: 1, path: PathSpecification(family: family, options: options),
                correction: .bottleneck(rank: 2, activation: .tanh, cap: 0.3)))
        let parameters = try Self.check(network, golden)
        let map = network.materialisedPath(0, parameters)
        let exactMap = golden["materialised"]!
        for (index, value) in exactMap.enumerated() { #expect(abs(Double(map[index / 4, index % 4]) - value) < 1e-6) }
    }

    /// Sets the parameters of a case, compares the loss and every block's gradient, and returns the parameters.
    static func check(_ network: Network, _ golden: [String: [Double]]) throws -> AlignedVector {
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
        // One layer of width 4 in float32: some tens of roundings of 6e-8.
        #expect(abs(outcome.lossSum - golden["loss"]![0]) < 1e-5)
        for block in network.layout.blocks {
            let exact = try #require(golden["gradient:\(block.name)"])
            let size = exact.map { $0 * $0 }.reduce(0, +).squareRoot()
            let differences = zip(block.range, exact).map { index, value in Double(gradient.span[index]) - value }
            let error = differences.map { $0 * $0 }.reduce(0, +).squareRoot()
            #expect(error < 2e-5 * max(1, size), "\(block.name)")
        }
        return parameters
    }
}
