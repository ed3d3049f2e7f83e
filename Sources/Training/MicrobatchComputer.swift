import Datasets
import LinearAlgebra
import ParameterServer
import StructuredLayers
import Synchronization

/// Computes microbatches and adds them along the tree; one a lane.
///
/// A microbatch always has the same shapes and runs on one BLAS thread, so its gradient is a function of (step, partition, parameters).
/// Buffers are kept from step to step. A computer serves one history: a step means the same parameters whenever it is asked for.
public struct MicrobatchComputer: ~Copyable {
    private let plan: TrainingPlan
    private var workspace: NetworkWorkspace
    private var inputs: Matrix
    private var indices: [Int32] = []
    private var orders = EpochOrders()
    private var labels: [Int32] = []
    /// The step whose version the workspace was derived from.
    private var derivedStep: Step?
    /// Gradients and scalars made so far; those that nobody else holds any more are written again.
    private var gradients: [FloatMemory] = []
    private var scalars: [NodeScalars] = []
    /// Left sums of the nodes at hand, whose right ones are being computed; the innermost last.
    private var left: [(gradient: FloatMemory, scalars: NodeScalars)] = []
    /// By group of blocks (layer), the chunks that are final once that group and all later ones are, from the last to the first.
    private let finalChunks: [[ChunkIndex]]
    /// By group, how many chunks from the first on hold it and all earlier ones.
    private let neededChunks: [Int]

    /// A computer for the plan's shapes; allocates every buffer.
    public init(_ plan: TrainingPlan) {
        self.plan = plan
        workspace = plan.network.makeWorkspace(batch: plan.microbatch)
        inputs = Matrix(rows: plan.data.train.featureCount, columns: plan.microbatch)
        var final = Array(repeating: [ChunkIndex](), count: plan.statistics.groups)
        for chunk in plan.chunks.chunks.reversed() {
            let first = chunk.segments.map { plan.blocks[$0.block].layer }.min() ?? 0
            final[first].append(chunk.index)
        }
        finalChunks = final
        var needed = Array(repeating: 0, count: plan.statistics.groups)
        for chunk in plan.chunks.chunks {
            for segment in chunk.segments { needed[plan.blocks[segment.block].layer] = Int(chunk.index.rawValue) + 1 }
        }
        for group in needed.indices.dropFirst() { needed[group] = max(needed[group], needed[group - 1]) }
        neededChunks = needed
        // Small, and as many as are held at a time: those of two steps' nodes, and the left ones on the way to a leaf.
        for _ in 0..<8 { scalars.append(NodeScalars(capacity: plan.statistics.count(gathered: true))) }
    }

    /// The summed gradient of `node`'s examples and their scalars, added along the tree. In a steady step it allocates nothing, unless a
    /// layer's cap does.
    ///
    /// - Parameter chunkReady: called with each chunk as soon as the gradient is final in it, from the last to the first. The gradient is
    ///   written again once nobody holds it any more.
    public mutating func gradient(
        of node: TreeNode, step: Step, parameters: Span<Float>, chunkReady: (ChunkIndex, FloatMemory) -> Void = { _, _ in }
    ) -> (gradient: FloatMemory, scalars: NodeScalars) {
        gradient(of: node, step: step, parameters: parameters, chunksNeeded: { (_) throws(Never) in }, chunkReady: chunkReady)
    }

    /// As above, of parameters that may still be arriving.
    ///
    /// - Parameter chunksNeeded: called, before forward reads a layer, with how many chunks from the first on must be there; it waits
    ///   for them, or throws, which ends the computation: nothing has come of it.
    public mutating func gradient<Failure>(
        of node: TreeNode, step: Step, parameters: Span<Float>, chunksNeeded: (Int) throws(Failure) -> Void,
        chunkReady: (ChunkIndex, FloatMemory) -> Void
    ) throws(Failure) -> (gradient: FloatMemory, scalars: NodeScalars) {
        // The last leaf's backward pass adds what is left of it on every level, so that chunks leave while it runs.
        let outer = left.count
        defer { left.removeLast(left.count - outer) }
        var last = node
        while let (first, second) = last.children {
            let sum = try gradient(
                of: first, step: step, parameters: parameters, chunksNeeded: chunksNeeded, chunkReady: { _, _ in })
            left.append(sum)
            last = second
        }
        let sum = try leaf(
            last.lower, step: step, parameters: parameters, leftFrom: outer, chunksNeeded: chunksNeeded, chunkReady: chunkReady)
        for index in (outer..<left.count).reversed() { sum.scalars.add(left[index].scalars) }
        return sum
    }

    /// Forgets what was derived from parameters: a step may mean others from now on.
    public mutating func startOver() { derivedStep = nil }

    private mutating func leaf<Failure>(
        _ partition: Partition, step: Step, parameters: Span<Float>, leftFrom outer: Int,
        chunksNeeded: (Int) throws(Failure) -> Void, chunkReady: (ChunkIndex, FloatMemory) -> Void
    ) throws(Failure) -> (gradient: FloatMemory, scalars: NodeScalars) {
        let (gradient, scalars) = (takeMemory(), takeScalars())
        let gathers = plan.gathers(at: step)
        scalars.clear(count: plan.statistics.count(gathered: gathers))
        // Until the pass has ended well, the workspace is derived from nothing in particular.
        let derives = derivedStep != step
        derivedStep = nil
        loadBatch(partition, step: step)
        let (plan, inputs, left, finalChunks, neededChunks) = (plan, inputs, left, finalChunks, neededChunks)
        var target = gradient.mutableSpan
        let outcome = try plan.network.gradient(
            parameters: parameters, inputs: inputs.view, labels: labels, into: &target, workspace: &workspace, gathers: gathers,
            derives: derives, layerNeeded: { (layer) throws(Failure) in try chunksNeeded(neededChunks[layer]) }
        ) { layer in
            if partition > 0 { plan.leaveOutState(of: layer, gradient) }
            if gathers { scalars.set(plan.statistics.squaredNorms.lowerBound + layer, plan.squaredNorm(of: layer, gradient)) }
            for chunk in finalChunks[layer] {
                let range = plan.chunks.chunks[Int(chunk.rawValue)].range
                for index in (outer..<left.count).reversed() {
                    let other = left[index].gradient
                    var part = gradient.mutableFloats(range)
                    VectorKernels.add(other.floats(range), into: &part)
                }
                chunkReady(chunk, gradient)
            }
        }
        derivedStep = step
        scalars.set(0, outcome.lossSum)
        scalars.set(1, Double(outcome.correct))
        if gathers {
            scalars.set(plan.statistics.activations, outcome.sums.activationSquares)
            scalars.set(plan.statistics.deltas, outcome.sums.deltaSquares)
            scalars.set(plan.statistics.cosines, outcome.sums.cosines)
        }
        return (gradient, scalars)
    }

    /// A gradient that nobody holds, or a new one.
    private mutating func takeMemory() -> FloatMemory {
        for index in gradients.indices where isKnownUniquelyReferenced(&gradients[index]) {
            // Whoever let go of it has read it.
            atomicMemoryFence(ordering: .acquiring)
            return gradients[index]
        }
        let memory = FloatMemory(count: plan.network.layout.count)
        gradients.append(memory)
        return memory
    }

    /// Scalars that nobody holds, or new ones.
    private mutating func takeScalars() -> NodeScalars {
        for index in scalars.indices where isKnownUniquelyReferenced(&scalars[index]) {
            atomicMemoryFence(ordering: .acquiring)
            return scalars[index]
        }
        let new = NodeScalars()
        scalars.append(new)
        return new
    }

    private mutating func loadBatch(_ partition: Partition, step: Step) {
        plan.partitions.indices(partition: partition, step: step, orders: &orders, into: &indices)
        plan.data.train.gather(indices, into: &inputs, labels: &labels)
    }
}

extension TrainingPlan {
    /// The next value of a state block comes from partition 0 alone; −0, unlike 0, changes no bit of what it is added to.
    fileprivate func leaveOutState(of layer: Int, _ gradient: FloatMemory) {
        for block in blocks where block.layer == layer && block.isState {
            var part = gradient.mutableFloats(block.range)
            VectorKernels.fill(&part, with: -0.0)
        }
    }

    /// ‖G‖² of a group of parameters, blocks in order.
    fileprivate func squaredNorm(of layer: Int, _ gradient: FloatMemory) -> Double {
        var norm = 0.0
        for block in blocks where block.layer == layer && !block.isState {
            norm += VectorKernels.sumOfSquares(gradient.floats(block.range))
        }
        return norm
    }
}
