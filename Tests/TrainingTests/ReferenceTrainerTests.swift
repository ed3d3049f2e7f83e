import Datasets
import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import SpectralDiagnostics
import Testing

@testable import Training

@Suite("The reference trainer")
struct ReferenceTrainerTests {
    static func plan(_ overrides: [String] = []) throws -> TrainingPlan {
        let experiment = try Experiment(
            yaml: """
                data: { source: spirals, points: 200 }
                model: { width: 16, depth: 3, path: { family: householder, reflectors: 4 }, correction: { kind: bottleneck, rank: 4, cap: 2/L } }
                training: { batch: 24, partitions: 6, steps: 5, clip: 0.5 }
                diagnostics: { every: 2 }
                """, source: "test", overrides: overrides)
        return try TrainingPlan(experiment: experiment, data: try ExperimentData(experiment.data))
    }

    @Test("sums along the tree exactly as the tree is defined")
    func tree() throws {
        let plan = try Self.plan()
        var computer = MicrobatchComputer(plan)
        let parameters = plan.initialState().parameters
        func naive(_ node: TreeNode, _ computer: inout MicrobatchComputer) -> ([Float], [Double]) {
            guard let (left, right) = node.children else {
                let (gradient, scalars) = computer.gradient(of: node, step: 0, parameters: parameters.span)
                return ((0..<gradient.count).map { gradient.span[$0] }, scalars.values)
            }
            let (a, b) = (naive(left, &computer), naive(right, &computer))
            return (zip(a.0, b.0).map { $0 + $1 }, zip(a.1, b.1).map { $0 + $1 })
        }
        let (gradient, scalars) = computer.gradient(of: plan.tree.root, step: 0, parameters: parameters.span)
        let expected = naive(plan.tree.root, &computer)
        let isEqual = (0..<gradient.count).allSatisfy { gradient.span[$0].bitPattern == expected.0[$0].bitPattern }
        #expect(isEqual && scalars.values == expected.1)
    }

    @Test("diagnostics on or off leave the weights alone, bit for bit")
    func diagnostics() throws {
        func final(_ overrides: [String]) throws -> [UInt32] {
            var trainer = ReferenceTrainer(try Self.plan(overrides))
            for _ in 0..<5 { _ = try trainer.takeStep() }
            let parameters = trainer.state.parameters
            return (0..<parameters.count).map { parameters.span[$0].bitPattern }
        }
        let all = try final([])
        let none = try final(["diagnostics.every=0"])
        #expect(all == none)
        let other = try final(["seed=1"])
        #expect(all != other)
    }

    @Test("reports loss, norm and diagnostics where they are due")
    func reports() throws {
        var trainer = ReferenceTrainer(try Self.plan())
        let first = try trainer.takeStep()
        #expect(first.trainLoss > 0 && first.gradientNorm! > 0 && first.clipScale <= 1)
        #expect(
            first.diagnostics.contains {
                $0.diagnostic == "D12" && $0.quantity == "delta_slope_decades_per_layer" && $0.value.number != nil
            })
        #expect(first.diagnostics.contains { $0.diagnostic == "D19" && $0.layer == nil })
        #expect(try trainer.takeStep().diagnostics.isEmpty)
    }

    @Test("of a network that has diverged has reasons instead of numbers that are none")
    func diverged() throws {
        var trainer = ReferenceTrainer(
            try Self.plan([
                "optimizer.kind=sgd", "optimizer.learningRate=1e6", "training.clip=none", "training.onNonFinite=continue",
                "training.steps=50", "diagnostics.every=1",
            ]))
        let rows = try (0..<20).flatMap { _ in try trainer.takeStep().diagnostics }
        let diverged = rows.filter { $0.value.number == nil }
        #expect(rows.allSatisfy { $0.value.number?.isFinite ?? true } && diverged.allSatisfy { $0.value.reason?.isEmpty == false })
        #expect(diverged.contains { $0.quantity == "delta_norm" && $0.value.reason?.contains("has diverged") == true })
    }

    @Test("stops before a gradient that is not finite is applied, and says which block")
    func notFinite() throws {
        var trainer = ReferenceTrainer(
            try Self.plan(["optimizer.kind=sgd", "optimizer.learningRate=1e6", "training.clip=none", "training.steps=50"]))
        var stopped: TrainingError?
        do { for _ in 0..<50 { _ = try trainer.takeStep() } } catch { stopped = error }
        #expect(stopped.map { "\($0)" }?.contains("is not finite at step") ?? false)
        let parameters = trainer.state.parameters
        let isFinite = VectorKernels.allFinite(parameters.span)
        #expect(isFinite)
    }

    @Test("learns the digits' first steps")
    func learns() throws {
        let experiment = try Experiment(
            yaml:
                "model: { width: 32, depth: 4, path: { family: householder, reflectors: 8 }, correction: { kind: bottleneck, rank: 8 } }\ntraining: { batch: 64, steps: 60 }",
            source: "test")
        let plan = try TrainingPlan(experiment: experiment, data: try ExperimentData(experiment.data))
        var trainer = ReferenceTrainer(plan)
        for _ in 0..<60 { _ = try trainer.takeStep() }
        var examiner = VersionExaminer(plan)
        let result = examiner.evaluate(trainer.state.parameters, on: plan.data.split.validation)
        #expect(result?.accuracy ?? 0 > 0.8)
    }
}
