import LinearAlgebra
import ParameterServer

/// The sums of the tree's held nodes, chunk by chunk.
///
/// Mirrors `ShardMachine`, directive for directive; used by one thread at a time.
public struct NodeSums: Sendable {
    private var held: [[TreeNode: AlignedVector]]
    private var spare: [Int: [AlignedVector]] = [:]

    /// Sums for this many chunks, none of which is held.
    public init(chunks: Int) { held = Array(repeating: [:], count: chunks) }

    /// Adds a pushed value into the held nodes `merging`, one after the other, and keeps the sum as `yields`.
    ///
    /// `payload` is little-endian float32 at any alignment; its size is checked by the caller against the chunk. O(count · nodes).
    public mutating func accept(chunk: ChunkIndex, payload: RawSpan, merging: [TreeNode], yields: TreeNode) {
        let (index, count) = (Int(chunk.rawValue), payload.byteCount / 4)
        var sum: AlignedVector
        if let first = merging.first {
            sum = take(first, of: chunk)
            var span = sum.mutableSpan
            VectorKernels.add(bytes: payload, into: &span)
        } else {
            sum = spare[count]?.popLast() ?? AlignedVector(count: count)
            var span = sum.mutableSpan
            VectorKernels.copy(bytes: payload, into: &span)
        }
        for sibling in merging.dropFirst() {
            let other = take(sibling, of: chunk)
            var span = sum.mutableSpan
            VectorKernels.add(other.span, into: &span)
            recycle(other)
        }
        held[index][yields] = sum
    }

    /// The sum that is held for a node.
    public func sum(_ node: TreeNode, of chunk: ChunkIndex) -> AlignedVector {
        guard let value = held[Int(chunk.rawValue)][node] else { preconditionFailure("node \(node) is not held") }
        return value
    }

    /// Hands out the sum of a node and forgets it; give the memory back by `recycle`.
    public mutating func take(_ node: TreeNode, of chunk: ChunkIndex) -> AlignedVector {
        guard let value = held[Int(chunk.rawValue)].removeValue(forKey: node) else {
            preconditionFailure("node \(node) is not held")
        }
        return value
    }

    /// Forgets held nodes.
    public mutating func discard(chunk: ChunkIndex, nodes: [TreeNode]) {
        for node in nodes { recycle(take(node, of: chunk)) }
    }

    /// Gives memory back.
    public mutating func recycle(_ vector: AlignedVector) { spare[vector.count, default: []].append(vector) }
}
