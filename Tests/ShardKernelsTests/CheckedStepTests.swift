import LinearAlgebra
import ParameterServer
import ShardKernels
import Testing

@Suite("A step that is sent at once")
struct CheckedStepTests {
    /// Weights and biases without gaps, of several pieces and with a block of another rate, then a gap.
    static let blocks = [
        BlockExtent(name: "w", range: 0..<9000, layer: 0), BlockExtent(name: "b", range: 9000..<9010, layer: 0, decays: false),
        BlockExtent(name: "v", range: 9024..<12_000, layer: 1, learningRateMultiplier: 0.5),
        BlockExtent(name: "u", range: 12_000..<20_011, layer: 1),
    ]

    static func parameters(_ plan: ChunkPlan) -> AlignedVector {
        var parameters = AlignedVector(count: plan.elements)
        var values = parameters.mutableSpan
        CounterRNG(seed: 1, purpose: "w").fillNormal(&values, standardDeviation: 1)
        return parameters
    }

    static func gradient(_ plan: ChunkPlan, at step: Step) -> FloatMemory {
        let gradient = FloatMemory(count: plan.elements)
        var values = gradient.mutableSpan
        CounterRNG(seed: step, purpose: "g").fillNormal(&values, standardDeviation: 1)
        return gradient
    }

    @Test("has the bits of one that is not, and the checksum of what it made", arguments: [Float(0), 0.01])
    func same(decay: Float) throws {
        let plan = try ChunkPlan(blocks: Self.blocks)
        for kind in [OptimizerSpecification.Kind.sgd(momentum: 0.9), .adam(beta1: 0.9, beta2: 0.99, epsilon: 1e-8)] {
            let optimizer = OptimizerSpecification(kind: kind, learningRate: 0.1, weightDecay: decay)
            let update = ParameterUpdate(optimizer: optimizer, blocks: Self.blocks, batch: 3)
            var state = OptimizerState(parameters: Self.parameters(plan), optimizer: optimizer)
            var (plain, checked) = (
                ShardStore(plan: plan, update: update, state: state), ShardStore(plan: plan, update: update, state: state)
            )
            let root = TreeNode(0, 1)
            for step in Step(0)..<4 {
                let gradient = Self.gradient(plan, at: step)
                for chunk in plan.chunks {
                    let index = chunk.index
                    plain.accept(chunk: index, borrowing: gradient.borrowed(chunk.range), merging: [], yields: root)
                    checked.accept(chunk: index, borrowing: gradient.borrowed(chunk.range), merging: [], yields: root)
                    plain.apply(chunk: index, step: step, clipScale: 0.5, root: root)
                    let sum = checked.applyChecked(chunk: index, step: step, clipScale: 0.5, root: root)
                    #expect(unsafe sum == VectorKernels.checksum(checked.versions[step + 1].floats(chunk.range).bytes))
                }
                // Segment by segment, as the reference trainer does it.
                for chunk in plan.chunks {
                    for segment in chunk.segments {
                        state.apply(update, step: step, clipScale: 0.5, segment: segment, gradient: gradient.floats(segment.range))
                    }
                }
            }
            let (a, b) = (plain.state, checked.state)
            for (left, right) in [(a, b), (a, state)] {
                for (x, y) in zip([left.parameters] + left.moments, [right.parameters] + right.moments) {
                    #expect((0..<x.count).allSatisfy { x.span[$0].bitPattern == y.span[$0].bitPattern })
                }
            }
        }
    }
}
