import Datasets
import ExperimentFile
import LinearAlgebra
import ParameterServer
import SpectralDiagnostics
import StructuredLayers

/// Evaluates shares of probe rounds and adds them along the tree; one a lane.
///
/// The probe batch is the first `probeExamples`/M examples of every partition's own order, the same at every version; what is computed of
/// a share is a function of (task, share, parameters, vector), in fixed shapes and on one BLAS thread. What follows from the version
/// alone is kept from round to round.
public struct ProbeComputer: ~Copyable {
    private let plan: TrainingPlan
    private let batch: PartitionPlan?
    private var version: Step?
    private var frozen: FrozenNetwork?
    private var matrices: [Partition: CurvatureProduct] = [:]

    /// A computer that has seen no version yet; allocates nothing.
    public init(_ plan: TrainingPlan) {
        self.plan = plan
        batch = try? PartitionPlan(
            examples: plan.data.train.count, partitions: plan.experiment.training.partitions,
            batch: plan.experiment.diagnostics.probeExamples, seed: plan.experiment.seed)
    }

    /// The sums of `order`'s node: a vector, empty when the task has none, and the scalars.
    ///
    /// `parameters` are those of the task's version, which are the same in every history of a run.
    public mutating func evaluate(_ order: ProbeOrder, parameters: Span<Float>) -> (product: AlignedVector, scalars: [Double]) {
        if version != order.task.version {
            version = order.task.version
            frozen = FrozenNetwork(plan.network, parameters: AlignedVector(parameters))
            matrices = [:]
        }
        return evaluate(order.node, order)
    }

    /// Forgets what was made of parameters: a version may mean others from now on.
    public mutating func startOver() { (version, frozen, matrices) = (nil, nil, [:]) }

    private mutating func evaluate(_ node: TreeNode, _ order: ProbeOrder) -> (product: AlignedVector, scalars: [Double]) {
        guard let (left, right) = node.children else { return leaf(node.lower, order) }
        var sum = evaluate(left, order)
        let other = evaluate(right, order)
        if sum.product.count > 0 {
            var target = sum.product.mutableSpan
            VectorKernels.add(other.product.span, into: &target)
        }
        for index in sum.scalars.indices { sum.scalars[index] += other.scalars[index] }
        return sum
    }

    private mutating func leaf(_ partition: Partition, _ order: ProbeOrder) -> (AlignedVector, [Double]) {
        let (inputs, labels) = share(partition)
        switch order.task.work {
        case .measure(let name): return (AlignedVector(count: 0), measure(name, partition, inputs, labels))
        case .product(let kind, let step):
            if matrices[partition] == nil, let frozen {
                matrices[partition] = CurvatureProduct(
                    plan.network, parameters: frozen.parameters, inputs: inputs, labels: labels)
            }
            var product = AlignedVector(count: plan.network.layout.count)
            var target = product.mutableSpan
            matrices[partition]?.product(kind, order.vector.span, step: step, into: &target)
            return (product, [Double(labels.count)])
        }
    }

    private func measure(
        _ name: DiagnosticsSpecification.Name, _ partition: Partition, _ inputs: Matrix, _ labels: [Int32]
    ) -> [Double] {
        guard let probe = name.networkProbe, let frozen else { return [] }
        let diagnostics = plan.experiment.diagnostics
        return probe.partial(
            ProbeShare(
                version: frozen, inputs: inputs, labels: labels, first: partition * labels.count,
                examples: diagnostics.probeExamples, index: partition, shares: plan.tree.partitions))
    }

    private func share(_ partition: Partition) -> (Matrix, [Int32]) {
        var (indices, labels): ([Int32], [Int32]) = ([], [])
        batch?.indices(partition: partition, step: 0, into: &indices)
        var inputs = Matrix(rows: plan.data.train.featureCount, columns: indices.count)
        plan.data.train.gather(indices, into: &inputs, labels: &labels)
        return (inputs, labels)
    }
}
