import ExperimentFile
import Foundation
import LinearAlgebra
import ParameterServer
import RunStore
import ShardKernels
import StructuredLayers
import Testing
import Training

@testable import Cluster

/// x ↦ x beside a state block that nothing reads.
private struct MarkedPath: PathFamily {
    let width: Int

    init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        width = try context.squareWidth(of: "marked")
    }

    var blocks: [BlockDeclaration] { [BlockDeclaration("mark", shape: [width], role: .state)] }

    func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        generator.fillNormal(&values, standardDeviation: 1)
    }

    func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        VectorKernels.copy(x.elements, into: &y.elements)
    }

    func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        VectorKernels.copy(g.elements, into: &dx.elements)
        for index in at[0] { blockGradients[index] = parameters[index] + 1 }
    }

    func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) -> SpectralBounds {
        SpectralBounds(lower: 1, upper: 1)
    }
}

@Suite("Checkpoints")
struct CheckpointTests {
    @Test("hold state blocks, without moments; the weights' digest leaves them out")
    func state() throws {
        var families = LayerFamilies.builtin
        families.add("marked", path: MarkedPath.self)
        let experiment = try Experiment(
            yaml: """
                data: { source: spirals, points: 60 }
                model: { width: 4, depth: 2, path: { family: marked }, correction: { kind: bottleneck, rank: 2 } }
                training: { batch: 8, partitions: 2, steps: 3 }
                """, source: "test")
        let plan = try TrainingPlan(experiment: experiment, data: try ExperimentData(experiment.data), families: families)
        var trainer = ReferenceTrainer(plan)
        for _ in 0..<3 { _ = try trainer.takeStep() }
        let state = trainer.state
        try Program.inTemporaryFolder { folder in
            let path = "\(folder)/a.safetensors"
            _ = try Checkpoints.write(
                state, version: 3, timeline: Timeline(rawValue: 1), plan: plan, complete: true, to: path)
            let file = try SafetensorsFile(path)
            let read = try Checkpoints.state(of: file, plan: plan)
            let vectors = zip([read.parameters] + read.moments, [state.parameters] + state.moments)
            let isEqual = vectors.allSatisfy { a, b in a.span.indices.allSatisfy { a.span[$0].bitPattern == b.span[$0].bitPattern }
            }
            #expect(isEqual)
            #expect(file.tensor(named: "layers.1.path.mark") != nil)
            #expect(file.tensor(named: "optimizer.firstMoment.layers.1.path.mark") == nil)
        }
        let blocks = plan.network.layout.blocks
        let mark = try #require(blocks.first { $0.role == .state }?.range.lowerBound)
        let weight = try #require(blocks.first { $0.role == .parameter }?.range.lowerBound)
        func digest(changing index: Int) -> String {
            var parameters = state.parameters
            var all = parameters.mutableSpan
            all[index] += 1
            return Checkpoints.weightsSHA256(parameters, plan.network.layout)
        }
        let original = Checkpoints.weightsSHA256(state.parameters, plan.network.layout)
        #expect(digest(changing: mark) == original && digest(changing: weight) != original)
    }
}
