import LinearAlgebra
import ParameterServer
import ShardKernels
import StructuredLayers
import Testing
import Training

@testable import ClusterSimulator

/// x ↦ W·x + s with a state s that follows the row sums of W: the parameters depend on it and it on them, so that no wrong bit of
/// either is ever forgotten.
struct DriftingPath: PathFamily {
    let width: Int

    init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        width = try context.squareWidth(of: "drifting")
    }

    var blocks: [BlockDeclaration] {
        [BlockDeclaration("weight", shape: [width, width]), BlockDeclaration("drift", shape: [width], role: .state)]
    }

    func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        generator.fillNormal(&values, standardDeviation: block == 0 ? 0.5 : 0.1)
    }

    /// The next value of s.
    func makeDerived() -> DerivedValues { DerivedValues(shapes: [MatrixShape(1, width)]) }

    func derive(parameters: Span<Float>, at: [Range<Int>], into derived: inout DerivedValues) {
        for row in 0..<width {
            var sum = parameters[at[1].lowerBound + row] * 0.875
            for column in 0..<width { sum += parameters[at[0].lowerBound + row * width + column] * 0.0625 }
            derived.matrices[0][0, row] = sum
        }
    }

    func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: width, columns: width), x, into: &y)
        VectorKernels.addBias(parameters.extracting(at[1]), activation: .none, to: &y)
    }

    func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let w = MatrixView(parameters.extracting(at[0]), rows: width, columns: width)
        BLAS.gemm(w, transposeA: true, g, into: &dx)
        do {
            var dw = MutableMatrixView(blockGradients.part(at[0]), rows: width, columns: width)
            BLAS.gemm(g, x, transposeB: true, into: &dw)
        }
        let follows = derived.matrices[0]
        var next = blockGradients.part(at[1])
        VectorKernels.copy(follows.span, into: &next)
    }

    func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) -> SpectralBounds {
        SpectralBounds(lower: 0, upper: .infinity)
    }
}

@Suite("State blocks")
struct StateBlockTests {
    static func problem(partitions: Int, clips: Bool, steps: Int = 10) throws -> SimulatedProblem {
        var families = LayerFamilies.builtin
        families.add("drifting", path: DriftingPath.self)
        return try SimulatedProblem(
            partitions: partitions, clips: clips, steps: steps, path: "{ family: drifting }", families: families)
    }

    @Test("move from version to version as their family says, whatever the partitions and the clipping", arguments: [1, 4, 6])
    func values(partitions: Int) throws {
        for clips in [false, true] {
            let problem = try Self.problem(partitions: partitions, clips: clips)
            let blocks = problem.plan.network.layout.blocks
            let drifts = blocks.indices.filter { blocks[$0].role == .state }
            #expect(drifts.count == 2)
            for (state, next) in zip(problem.states, problem.states.dropFirst()) {
                for index in drifts {
                    let (weight, drift) = (blocks[index - 1].range, blocks[index].range)
                    for row in 0..<drift.count {
                        var sum = state.parameters.span[drift.lowerBound + row] * 0.875
                        for column in 0..<drift.count {
                            sum += state.parameters.span[weight.lowerBound + row * drift.count + column] * 0.0625
                        }
                        #expect(next.parameters.span[drift.lowerBound + row].bitPattern == sum.bitPattern)
                        #expect(next.moments.allSatisfy { $0.span[drift.lowerBound + row] == 0 })
                    }
                }
            }
        }
    }

    @Test("leave the norms of the gradient and of each layer alone")
    func norms() throws {
        let plan = try Self.problem(partitions: 3, clips: true).plan
        var computer = MicrobatchComputer(plan)
        let state = plan.initialState()
        let (gradient, _) = computer.gradient(of: plan.tree.root, step: 0, parameters: state.parameters.span)
        var expected = 0.0
        for chunk in plan.chunks.chunks {
            for segment in chunk.segments where plan.network.layout.blocks[segment.block].role == .parameter {
                expected += VectorKernels.sumOfSquares(gradient.span.extracting(segment.range))
            }
        }
        var trainer = ReferenceTrainer(plan)
        #expect(try trainer.takeStep().gradientNorm == plan.update.meanNorm(squaredNorm: expected))
    }

    @Test(
        "give the same bits on 1, 2 and 3 workers, in either placement, without faults and with crashes, snapshots and resumption")
    func sameBits() throws {
        var reached: Set<String> = []
        for (workers, clips, placement) in [
            (1, false, ShardPlacement.coordinator), (2, true, .workers), (3, false, .workers), (3, true, .coordinator),
        ] {
            let problem = try Self.problem(partitions: 5, clips: clips)
            try Simulation(problem: problem, workers: workers, placement: placement, seed: 1, faults: []).run()
            for seed in 0..<UInt64(40) {
                let faults = Fault.schedule(seed: seed, workers: workers, placement: placement)
                let simulation = Simulation(problem: problem, workers: workers, placement: placement, seed: seed, faults: faults)
                try simulation.run()
                reached.formUnion(simulation.reached.keys)
            }
        }
        #expect(reached.isSuperset(of: ["rollback", "membership: lost"]), "\(reached.sorted())")
    }
}
