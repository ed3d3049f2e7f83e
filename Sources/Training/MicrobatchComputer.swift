import Datasets
import LinearAlgebra
import ParameterServer
import StructuredLayers

/// Computes microbatches and adds them along the tree; one a lane.
///
/// A microbatch always has the same shapes and runs on one BLAS thread, so its gradient is a function of (step, partition, parameters).
/// Buffers are kept from step to step.
public struct MicrobatchComputer: ~Copyable {
    private let plan: TrainingPlan
    private var workspace: NetworkWorkspace
    private var inputs: Matrix
    private var indices: [Int32] = []
    private var targets: Targets
    private var spare: [AlignedVector] = []

    /// A computer for the plan's shapes; allocates every buffer.
    public init(_ plan: TrainingPlan) {
        self.plan = plan
        workspace = plan.network.makeWorkspace(batch: plan.microbatch)
        inputs = Matrix(rows: plan.data.train.featureCount, columns: plan.microbatch)
        targets = plan.data.train.emptyTargets(count: plan.microbatch)
    }

    /// The summed gradient of `node`'s examples and their scalars, added along the tree. Hand the vector back by `recycle`.
    public mutating func gradient(of node: TreeNode, step: Step, parameters: AlignedVector) -> (gradient: AlignedVector, scalars: [Double]) {
        guard let (left, right) = node.children else { return leaf(node.lower, step: step, parameters: parameters) }
        var sum = gradient(of: left, step: step, parameters: parameters)
        let other = gradient(of: right, step: step, parameters: parameters)
        var target = sum.gradient.mutableSpan
        VectorKernels.add(other.gradient.span, into: &target)
        for index in sum.scalars.indices { sum.scalars[index] += other.scalars[index] }
        recycle(other.gradient)
        return sum
    }

    /// Gives a gradient's memory back.
    public mutating func recycle(_ gradient: AlignedVector) { spare.append(gradient) }

    private mutating func leaf(_ partition: Partition, step: Step, parameters: AlignedVector) -> (AlignedVector, [Double]) {
        var gradient = spare.popLast() ?? AlignedVector(count: plan.network.layout.count)
        let gathers = plan.gathers(at: step)
        loadBatch(partition, step: step)
        var target = gradient.mutableSpan
        let outcome = plan.network.gradient(
            parameters: parameters.span, inputs: inputs.view, targets: targets, gradient: &target, workspace: &workspace,
            gather: gathers ? .layers : .nothing, layerReady: { _ in })
        var scalars = [outcome.lossSum, Double(outcome.correct)]
        if gathers {
            scalars += squaredNorms(gradient)
            scalars += outcome.activationSquares + outcome.deltaSquares + outcome.cosines
        }
        return (gradient, scalars)
    }

    private mutating func loadBatch(_ partition: Partition, step: Step) {
        plan.partitions.indices(partition: partition, step: step, into: &indices)
        var view = inputs.mutableView
        plan.data.train.batch(indices, into: &view, targets: &targets)
    }

    /// ‖G‖² of each group of parameters, blocks in order.
    private func squaredNorms(_ gradient: AlignedVector) -> [Double] {
        var norms = Array(repeating: 0.0, count: plan.statistics.groups)
        for block in plan.blocks { norms[block.layer] += VectorKernels.sumOfSquares(gradient.span.extracting(block.range)) }
        return norms
    }
}
