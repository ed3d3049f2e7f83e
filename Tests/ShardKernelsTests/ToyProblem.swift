import LinearAlgebra
import ParameterServer
import ShardKernels

/// A gradient that is cheap, differs by partition and step, and whose sums depend on the order of addition in their last bits.
struct ToyProblem {
    var partitions: Int
    var steps: Step
    var optimizer: OptimizerSpecification
    var clip: Double?
    let plan: ChunkPlan

    static let blocks = [
        BlockExtent(name: "a", range: 0..<40, granule: 8, layer: 0),
        BlockExtent(name: "b", range: 48..<53, layer: 1, learningRateMultiplier: 0.5, decays: false),
        BlockExtent(name: "c", range: 64..<100, granule: 4, layer: 2),
        BlockExtent(name: "d", range: 112..<119, layer: 2, learningRateMultiplier: 3, isState: true),
    ]

    init(partitions: Int, steps: Step, optimizer: OptimizerSpecification, clip: Double? = nil) {
        self.partitions = partitions
        self.steps = steps
        self.optimizer = optimizer
        self.clip = clip
        do { plan = try ChunkPlan(blocks: Self.blocks, limits: .init(elementsMax: 24, elementsGood: 12)) } catch {
            preconditionFailure("\(error)")
        }
    }

    var tree: ReductionTree { ReductionTree(partitions: partitions) }
    var update: ParameterUpdate { ParameterUpdate(optimizer: optimizer, blocks: Self.blocks, batch: partitions * 2) }

    func initialState() -> OptimizerState {
        var parameters = AlignedVector(count: 128)
        var span = parameters.mutableSpan
        for block in Self.blocks { for index in block.range { span[index] = Float((index &* 7919) % 101) / 101 - 0.5 } }
        return OptimizerState(parameters: parameters, optimizer: optimizer)
    }

    /// The microbatch: a pure function of (step, partition, parameters). State comes from partition 0, and −0 from all others.
    func leaf(_ partition: Partition, step: Step, parameters: [Float]) -> (gradient: [Float], loss: Double) {
        var gradient = Array(repeating: Float(0), count: parameters.count)
        var loss = 0.0
        for block in Self.blocks {
            for index in block.range {
                if block.isState {
                    gradient[index] = partition == 0 ? nextState(index, parameters) : -0.0
                    continue
                }
                let noise = Float((index &* 31 &+ partition &* 1009 &+ Int(step) &* 77) % 997) / 997 - 0.5
                gradient[index] = parameters[index] * 0.37 + parameters[112] + noise * Float(partition + 1)
                loss += Double(gradient[index] * gradient[index])
            }
        }
        return (gradient, loss)
    }

    /// Follows the parameters, so that a wrong bit of either is never forgotten.
    func nextState(_ index: Int, _ parameters: [Float]) -> Float { 0.9 * parameters[index] - 0.3 * parameters[index - 112] }

    /// The sum over a node by the definition: left + right, all the way down.
    func sum(_ node: TreeNode, step: Step, parameters: [Float]) -> (gradient: [Float], loss: Double) {
        guard let (left, right) = node.children else { return leaf(node.lower, step: step, parameters: parameters) }
        let (a, b) = (sum(left, step: step, parameters: parameters), sum(right, step: step, parameters: parameters))
        return (zip(a.gradient, b.gradient).map { $0 + $1 }, a.loss + b.loss)
    }

    /// The run by the definition, without a cluster; `sum` may be replaced to show that the order of addition matters.
    func reference(sum: ((Step, [Float]) -> (gradient: [Float], loss: Double))? = nil) -> (parameters: [Float], losses: [Double]) {
        var state = initialState()
        var losses: [Double] = []
        for step in 0..<steps {
            let parameters = state.parameters.span.indices.map { state.parameters.span[$0] }
            let (gradient, loss) = sum?(step, parameters) ?? self.sum(tree.root, step: step, parameters: parameters)
            losses.append(loss)
            let segments = plan.chunks.flatMap(\.segments)
            var squared = 0.0
            for segment in segments {
                squared += update.squaredNorm(block: segment.block, gradient: gradient.span.extracting(segment.range))
            }
            let scale = update.clipScale(squaredNorm: squared, bound: clip)
            for segment in segments {
                state.apply(
                    update, step: step, clipScale: scale, segment: segment, gradient: gradient.span.extracting(segment.range))
            }
        }
        return (state.parameters.span.indices.map { state.parameters.span[$0] }, losses)
    }
}
