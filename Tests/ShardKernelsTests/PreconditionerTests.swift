import LinearAlgebra
import ParameterServer
import ShardKernels
import Testing

@Suite("The preconditioner of an optimizer's steps")
struct PreconditionerTests {
    static let optimizers = [
        OptimizerSpecification(kind: .sgd(momentum: 0.9), learningRate: 0.05),
        OptimizerSpecification(kind: .adam(beta1: 0.9, beta2: 0.99, epsilon: 1e-3), learningRate: 0.05),
        OptimizerSpecification(kind: .adamW(beta1: 0.8, beta2: 0.999, epsilon: 1e-8), learningRate: 0.05),
    ]

    @Test("a step is η·P⁻¹·(mean of gradients), element by element; state has none", arguments: optimizers)
    func step(optimizer: OptimizerSpecification) {
        let problem = ToyProblem(partitions: 1, steps: 3, optimizer: optimizer)
        let update = problem.update
        var state = problem.initialState()
        for step in 0..<Step(3) {
            let before = state
            let values = (0..<state.parameters.count).map { before.parameters.span[$0] }
            let elements = problem.leaf(0, step: step, parameters: values).gradient
            let gradient = AlignedVector(elements.span)
            for segment in problem.plan.chunks.flatMap(\.segments) {
                state.apply(
                    update, step: step, clipScale: 1, segment: segment, gradient: gradient.span.extracting(segment.range))
            }
            for chunk in problem.plan.chunks {
                let roots = state.inverseRootPreconditioner(update, at: step + 1, chunk)
                for segment in chunk.segments {
                    for index in segment.range {
                        let root = Double(roots.span[index - chunk.range.lowerBound])
                        let moved = Double(before.parameters.span[index]) - Double(state.parameters.span[index])
                        let expected = 0.05 * root * root * Double(state.firstMoment.span[index])
                        let isState = problem.plan.blocks[segment.block].isState
                        #expect(isState ? root == 0 : abs(moved - expected) < 1e-5 * abs(expected) + 1e-7)
                    }
                }
            }
        }
    }

    @Test("it differs from one where rates are scaled by element or by block")
    func isPreconditioned() {
        let blocks = [BlockExtent(name: "a", range: 0..<4, layer: 0)]
        let scaled = [BlockExtent(name: "a", range: 0..<4, layer: 0, learningRateMultiplier: 2)]
        let state = [BlockExtent(name: "a", range: 0..<4, layer: 0, learningRateMultiplier: 2, isState: true)]
        func isPreconditioned(_ optimizer: OptimizerSpecification, _ blocks: [BlockExtent]) -> Bool {
            ParameterUpdate(optimizer: optimizer, blocks: blocks, batch: 1).isPreconditioned
        }
        #expect(!isPreconditioned(Self.optimizers[0], blocks) && isPreconditioned(Self.optimizers[1], blocks))
        #expect(isPreconditioned(Self.optimizers[0], scaled) && !isPreconditioned(Self.optimizers[0], state))
    }
}
