import ExperimentFile
import Foundation
import GivensLayers
import LinearAlgebra
import StructuredLayers
import Testing
import Training

@Suite("Givens rotations, a family of one's own")
struct GivensPathTests {
    static func path(rounds: Int) -> PathSpecification {
        PathSpecification(family: "givens", options: ["rounds": .integer(rounds)])
    }

    @Test("obey every law of a layer, alone and with a correction", arguments: [1, 2, 5, 11])
    func laws(rounds: Int) throws {
        for correction in [CorrectionSpecification.none, .bottleneck(rank: 3, activation: .tanh, cap: 0.3)] {
            for activation in [Activation.none, .tanh] {
                let check = LayerCheck(
                    path: Self.path(rounds: rounds), correction: correction, activation: activation, families: .withGivens)
                #expect(try check.violations() == [])
            }
        }
    }

    @Test("equal the product of their rotation matrices, in float64 and with the cosines of a library")
    func naive() throws {
        let (n, rounds) = (8, 7)
        var layer = try StandaloneLayer(
            width: n, batch: n, path: Self.path(rounds: rounds), bias: false, seed: 3, families: .withGivens)
        var identity = Matrix(rows: n, columns: n)
        for i in 0..<n { identity[i, i] = 1 }
        layer.forward(identity)
        var product = (0..<n).map { i in (0..<n).map { $0 == i ? 1.0 : 0 } }
        var met = Set<Set<Int>>()
        for round in 0..<rounds {
            // Round r: r meets the last, and whoever stand equally far from r on the circle of the others meet.
            var players = [(round, n - 1)]
            for k in 1..<n / 2 { players.append(((round + k) % (n - 1), (round - k + n - 1) % (n - 1))) }
            for (pair, (i, j)) in players.enumerated() {
                let theta = 2 * atan(Double(layer.parameters.span[layer.blocks[0].range.lowerBound + round * n / 2 + pair]))
                let (first, second) = (product[i], product[j])
                product[i] = zip(first, second).map { cos(theta) * $0 - sin(theta) * $1 }
                product[j] = zip(first, second).map { sin(theta) * $0 + cos(theta) * $1 }
                met.insert([i, j])
            }
        }
        #expect(met.count == n * (n - 1) / 2)
        // Seven rounds, three roundings of 6e-8 each.
        for i in 0..<n { for b in 0..<n { #expect(abs(Double(layer.output[i, b]) - product[i][b]) < 2e-6) } }
    }

    @Test("refuse what cannot be, with the key, the value and what would do")
    func refusals() {
        func refusal(width: Int, rounds: Int) -> String {
            do {
                _ = try StandaloneLayer(width: width, batch: 1, path: Self.path(rounds: rounds), families: .withGivens)
                return "accepted"
            } catch { return "\(error)" }
        }
        #expect(refusal(width: 7, rounds: 2) == "model.width: got 7, expected an even number, as givens turns coordinates in pairs")
        #expect(
            refusal(width: 8, rounds: 8)
                == "model.path.rounds: got 8, expected 1…7, after which every two coordinates have met")
    }

    @Test("train from a YAML file")
    func trains() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "givens.yaml")
        let experiment = try Experiment(
            yaml: try String(contentsOf: file, encoding: .utf8), source: file.path,
            overrides: ["training.steps=40", "model.depth=3", "model.width=32", "model.path.rounds=4"])
        let plan = try TrainingPlan(experiment: experiment, data: try ExperimentData(experiment.data), families: .withGivens)
        var trainer = ReferenceTrainer(plan)
        let first = try trainer.takeStep().trainLoss
        for _ in 1..<39 { _ = try trainer.takeStep() }
        let last = try trainer.takeStep().trainLoss
        #expect(last < first / 2)
    }
}
