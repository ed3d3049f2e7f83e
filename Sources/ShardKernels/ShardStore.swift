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
    private var held: [[TreeNode: AlignedVector]]
    private var spare: [Int: [AlignedVector]] = [:]

    /// A store that begins with `state`, whose vectors are as long as the plan.
    public init(plan: ChunkPlan, update: ParameterUpdate, state: OptimizerState) {
        precondition(state.parameters.count >= plan.elements, "the plan's chunks lie in the flat vector")
        self.plan = plan
        self.update = update
        self.state = state
        held = Array(repeating: [:], count: plan.chunks.count)
    }

    /// Adds a pushed value into the held nodes `merging`, one after the other, and keeps the sum as `yields`.
    ///
    /// `payload` is little-endian float32 at any alignment; its size is checked by the caller against the chunk. O(count · nodes).
    public mutating func accept(chunk: ChunkIndex, payload: RawSpan, merging: [TreeNode], yields: TreeNode) {
        let index = Int(chunk.rawValue)
        precondition(payload.byteCount == plan.chunks[index].range.count * 4, "a push carries the whole chunk")
        var sum: AlignedVector
        if let first = merging.first {
            sum = take(first, of: index)
            var span = sum.mutableSpan
            VectorKernels.add(bytes: payload, into: &span)
        } else {
            sum = buffer(count: plan.chunks[index].range.count)
            var span = sum.mutableSpan
            VectorKernels.copy(bytes: payload, into: &span)
        }
        for sibling in merging.dropFirst() {
            let other = take(sibling, of: index)
            var span = sum.mutableSpan
            VectorKernels.add(other.span, into: &span)
            recycle(other)
        }
        held[index][yields] = sum
    }

    /// Forgets held nodes.
    public mutating func discard(chunk: ChunkIndex, nodes: [TreeNode]) {
        for node in nodes { recycle(take(node, of: Int(chunk.rawValue))) }
    }

    /// What each segment of the chunk's summed gradient adds to the squared norm, in order.
    public func squaredNorms(chunk: ChunkIndex, root: TreeNode) -> [Double] {
        let chunk = plan.chunks[Int(chunk.rawValue)]
        guard let sum = held[Int(chunk.index.rawValue)][root] else { preconditionFailure("the chunk is not rooted") }
        return chunk.segments.map { segment in
            let local = segment.range.lowerBound - chunk.range.lowerBound..<segment.range.upperBound - chunk.range.lowerBound
            return update.squaredNorm(block: segment.block, gradient: sum.span.extracting(local))
        }
    }

    /// Applies `step` to the chunk and forgets the sum.
    public mutating func apply(chunk: ChunkIndex, step: Step, clipScale: Double, root: TreeNode) {
        let chunk = plan.chunks[Int(chunk.rawValue)]
        let sum = take(root, of: Int(chunk.index.rawValue))
        for segment in chunk.segments {
            let offset = chunk.range.lowerBound
            let gradient = sum.span.extracting(segment.range.lowerBound - offset..<segment.range.upperBound - offset)
            state.apply(update, step: step, clipScale: clipScale, segment: segment, gradient: gradient)
        }
        recycle(sum)
    }

    /// Puts another version in place; the sums held are let go by the machine's directives.
    public mutating func restore(_ state: OptimizerState) { self.state = state }

    private mutating func take(_ node: TreeNode, of index: Int) -> AlignedVector {
        guard let value = held[index].removeValue(forKey: node) else { preconditionFailure("node \(node) is not held") }
        return value
    }

    private mutating func buffer(count: Int) -> AlignedVector {
        spare[count]?.popLast() ?? AlignedVector(count: count)
    }

    private mutating func recycle(_ vector: AlignedVector) { spare[vector.count, default: []].append(vector) }
}
