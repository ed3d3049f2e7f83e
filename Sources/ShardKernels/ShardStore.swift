import LinearAlgebra
import ParameterServer

/// The numbers of a shard: parameters, moments and the sums of the tree's held nodes.
///
/// Mirrors `ShardMachine`, directive for directive; used by one thread at a time.
public struct ShardStore: Sendable {
    public let plan: ChunkPlan
    public let update: ParameterUpdate
    /// The flat vector and its moments; only hosted chunks are kept up to date.
    public private(set) var state: OptimizerState
    private var sums: NodeSums

    /// A store that begins with `state`, whose vectors are as long as the plan.
    public init(plan: ChunkPlan, update: ParameterUpdate, state: OptimizerState) {
        precondition(state.parameters.count >= plan.elements, "the plan's chunks lie in the flat vector")
        self.plan = plan
        self.update = update
        self.state = state
        sums = NodeSums(chunks: plan.chunks.count)
    }

    /// Adds a pushed value into the held nodes `merging`, one after the other, and keeps the sum as `yields`.
    ///
    /// `payload` is little-endian float32 at any alignment; its size is checked by the caller against the chunk. O(count · nodes).
    public mutating func accept(chunk: ChunkIndex, payload: RawSpan, merging: [TreeNode], yields: TreeNode) {
        precondition(payload.byteCount == plan.chunks[Int(chunk.rawValue)].range.count * 4, "a push carries the whole chunk")
        sums.accept(chunk: chunk, payload: payload, merging: merging, yields: yields)
    }

    /// Forgets held nodes.
    public mutating func discard(chunk: ChunkIndex, nodes: [TreeNode]) {
        sums.discard(chunk: chunk, nodes: nodes)
    }

    /// What each segment of the chunk's summed gradient adds to the squared norm, in order.
    public func squaredNorms(chunk: ChunkIndex, root: TreeNode) -> [Double] {
        let chunk = plan.chunks[Int(chunk.rawValue)]
        let sum = sums.sum(root, of: chunk.index)
        return chunk.segments.map { segment in
            let local = segment.range.lowerBound - chunk.range.lowerBound..<segment.range.upperBound - chunk.range.lowerBound
            return update.squaredNorm(block: segment.block, gradient: sum.span.extracting(local))
        }
    }

    /// Applies `step` to the chunk and forgets the sum.
    public mutating func apply(chunk: ChunkIndex, step: Step, clipScale: Double, root: TreeNode) {
        let chunk = plan.chunks[Int(chunk.rawValue)]
        let sum = sums.take(root, of: chunk.index)
        for segment in chunk.segments {
            let offset = chunk.range.lowerBound
            let gradient = sum.span.extracting(segment.range.lowerBound - offset..<segment.range.upperBound - offset)
            state.apply(update, step: step, clipScale: clipScale, segment: segment, gradient: gradient)
        }
        sums.recycle(sum)
    }

    /// Puts another version in place; the sums held are let go by the machine's directives.
    public mutating func restore(_ state: OptimizerState) { self.state = state }
}
