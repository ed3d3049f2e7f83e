import Datasets
import LinearAlgebra
import ParameterServer
import StructuredLayers

/// Computes microbatches and adds them along the tree; one a lane.
///
/// A microbatch always has the same shapes and runs on one BLAS thread, so its gradient is a function of (step, partition, parameters).
/// Buffers are kept from step to step. A computer serves one history: a step means the same parameters whenever it is asked for.
public struct MicrobatchComputer: ~Copyable {
    private let plan: TrainingPlan
    private var workspace: NetworkWorkspace
    private var inputs: Matrix
    private var indices: [Int32] = []
    private var labels: [Int32] = []
    /// The step whose version the workspace was derived from.
    private var derivedStep: Step?
    private var spare: [AlignedVector] = []

    /// A computer for the plan's shapes; allocates every buffer.
    public init(_ plan: TrainingPlan) {
        self.plan = plan
        workspace = plan.network.makeWorkspace(batch: plan.microbatch)
        inputs = Matrix(rows: plan.data.train.featureCount, columns: plan.microbatch)
    }

    /// The summed gradient of `node`'s examples and their scalars, added along the tree. Hand the vector back by `recycle`.
    public mutating func gradient(of node: TreeNode, step: Step, parameters: AlignedVector) -> (
        gradient: AlignedVector, scalars: [Double]
    ) {
        guard let (left, right) = node.children else { return leaf(node.lower, step: step, parameters: parameters) }
        var sum = gradient(of: left, step: step, parameters: parameters)
        let other = gradient(of: right, step: step, parameters: parameters)
        do {
            var target = sum.gradient.mutableSpan
            VectorKernels.add(other.gradient.span, into: &target)
        }
        for index in sum.scalars.indices { sum.scalars[index] += other.scalars[index] }
        recycle(other.gradient)
        return sum
    }

    /// Gives a gradient's memory back.
    public mutating func recycle(_ gradient: AlignedVector) { spare.append(gradient) }

    private mutating func leaf(_ partition: Partition, step: Step, parameters: AlignedVector) -> (AlignedVector, [Double]) {
        var gradient = spare.popLast() ?? AlignedVector(count: plan.network.layout.count)
        let gathers = plan.gathers(at: step)
        if derivedStep != step {
            plan.network.derive(parameters.span, into: &workspace)
            derivedStep = step
        }
        loadBatch(partition, step: step)
        let outcome: MicrobatchOutcome
        do {
            let inputs = inputs
            var target = gradient.mutableSpan
            outcome = plan.network.gradient(
                parameters: parameters.span, inputs: inputs.view, labels: labels, into: &target, workspace: &workspace,
                gathers: gathers)
        }
        if partition > 0 { leaveOutState(&gradient) }
        var scalars = [outcome.lossSum, Double(outcome.correct)]
        if gathers {
            scalars += squaredNorms(gradient)
            scalars += outcome.sums.activationSquares + outcome.sums.deltaSquares + outcome.sums.cosines
        }
        return (gradient, scalars)
    }

    private mutating func loadBatch(_ partition: Partition, step: Step) {
        plan.partitions.indices(partition: partition, step: step, into: &indices)
        plan.data.train.gather(indices, into: &inputs, labels: &labels)
    }

    /// The next value of a state block comes from partition 0 alone; −0, unlike 0, changes no bit of what it is added to.
    private func leaveOutState(_ gradient: inout AlignedVector) {
        for block in plan.blocks where block.isState {
            var all = gradient.mutableSpan
            var part = all.part(block.range)
            VectorKernels.fill(&part, with: -0.0)
        }
    }

    /// ‖G‖² of each group of parameters, blocks in order.
    private func squaredNorms(_ gradient: AlignedVector) -> [Double] {
        var norms = Array(repeating: 0.0, count: plan.statistics.groups)
        for block in plan.blocks where !block.isState {
            norms[block.layer] += VectorKernels.sumOfSquares(gradient.span.extracting(block.range))
        }
        return norms
    }
}
