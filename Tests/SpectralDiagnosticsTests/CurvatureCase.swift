import Foundation
import LinearAlgebra
import StructuredLayers
import Testing

@testable import SpectralDiagnostics

/// A network of golden/curvature.txt, its batch, and what float64 says of its Hessian.
struct CurvatureCase {
    let name: String
    let network: Network
    let parameters: AlignedVector
    let inputs: Matrix
    let labels: [Int32]
    /// By the generator's keys.
    let figures: [String: [Double]]

    static func all() throws -> [CurvatureCase] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Oracles/golden/curvature.txt")
        var cases: [CurvatureCase] = []
        var (name, sizes, figures) = ("", [Int](), [String: [Double]]())
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words[0] == "case" {
                if !name.isEmpty { cases.append(try CurvatureCase(name, sizes, figures)) }
                (name, sizes, figures) = (words[1], words.dropFirst(2).compactMap { Int($0) }, [:])
            } else {
                figures[words[0]] = words.dropFirst().compactMap { Double($0) }
            }
        }
        return cases + [try CurvatureCase(name, sizes, figures)]
    }

    static func named(_ name: String) throws -> CurvatureCase { try #require(try all().first { $0.name == name }) }

    private init(_ name: String, _ sizes: [Int], _ figures: [String: [Double]]) throws {
        let isDeep = sizes.count > 2
        let activation = Activation(rawValue: name == "wide" ? "relu" : name) ?? .none
        network = try Network(
            NetworkSpecification(
                inputs: sizes[0], outputs: sizes[sizes.count - 1], width: isDeep ? sizes[1] : sizes[0], depth: 1,
                path: isDeep ? .dense : PathSpecification(family: "identity"), activation: activation, bias: isDeep,
                embedding: EmbeddingSpecification(kind: isDeep ? .dense : .identity, activation: isDeep ? activation : .none)))
        var flat = AlignedVector(count: network.layout.count)
        var next = 0
        do {
            var elements = flat.mutableSpan
            for block in network.layout.blocks {
                for index in block.range {
                    elements[index] = Float(figures["parameters"]![next])
                    next += 1
                }
            }
        }
        #expect(next == figures["parameters"]!.count)
        (self.name, parameters, self.figures) = (name, flat, figures)
        labels = figures["labels"]!.map { Int32($0) }
        inputs = Matrix(rows: sizes[0], columns: labels.count, elements: figures["inputs"]!.map { Float($0) })
    }

    func examination(ranges: [Range<Int>] = []) -> CurvatureExamination {
        CurvatureExamination(network, parameters: parameters, batches: [(inputs, labels)], ranges: ranges)
    }
}

/// Runs a conductor over `shards` shards that hold the chunks by turns; every command and answer goes through its wire form.
func conduct(
    _ options: CurvatureOptions, _ layout: KrylovLayout, parameters: AlignedVector, examples: Int, shards count: Int = 1,
    scaling: AlignedVector? = nil,
    product: (_ vector: AlignedVector, _ step: Double) -> AlignedVector
) throws -> CurvatureReport {
    var conductor = CurvatureConductor(options, layout: layout, examples: examples)
    let held = (0..<count).map { shard in layout.chunks.filter { $0.index % count == shard } }
    var shards = held.map { KrylovShard(chunks: $0) }
    for shard in 0..<count {
        for (position, chunk) in held[shard].enumerated() {
            shards[shard].setParameters(parameters.span.extracting(chunk.range), ofChunk: position)
            guard let scaling else { continue }
            shards[shard].setScaling(AlignedVector(scaling.span.extracting(chunk.range)), ofChunk: position)
        }
    }
    while true {
        switch conductor.action {
        case .finished(let report): return report
        case .shards(let command):
            let decoded = try JSONDecoder().decode(KrylovCommand.self, from: JSONEncoder().encode(command))
            let sums = shards.indices.reversed().flatMap { shards[$0].execute(decoded) }
            conductor.complete(try JSONDecoder().decode([ChunkSums].self, from: JSONEncoder().encode(sums)))
        case .product(let step):
            var vector = AlignedVector(count: parameters.count)
            for shard in 0..<count {
                for (position, chunk) in held[shard].enumerated() {
                    var all = vector.mutableSpan
                    var part = all.part(chunk.range)
                    shards[shard].copyDirection(chunk: position, into: &part)
                }
            }
            let product = product(vector, step)
            for shard in 0..<count {
                for (position, chunk) in held[shard].enumerated() {
                    shards[shard].takeProduct(product.span.extracting(chunk.range), ofChunk: position)
                }
            }
            conductor.complete()
        }
    }
}
