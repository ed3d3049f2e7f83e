import LinearAlgebra
import ParameterServer
import Synchronization

/// The sums of the tree's held nodes, chunk by chunk.
///
/// A pushed value may be held where it arrived: two values that wait for each other are added once, when the sum is read. Mirrors
/// `ShardMachine`, directive for directive; used by one thread at a time.
public struct NodeSums: Sendable {
    /// A sum of one or two terms, which are not added yet.
    private struct Held: Sendable {
        var node: TreeNode
        var first: BorrowedFloats
        var second: BorrowedFloats?
    }

    /// By chunk; few nodes are held of any.
    private var held: [[Held]]
    /// Memory for sums, by count; one that no sum holds any more is written again.
    private var memories: [Int: [FloatMemory]] = [:]

    /// Sums for this many chunks, none of which is held.
    public init(chunks: Int) { held = Array(repeating: [], count: chunks) }

    /// Adds a pushed value into the held nodes `merging`, one after the other, and keeps the sum as `yields`. Copies the value.
    ///
    /// `payload` is little-endian float32 at any alignment; its size is checked by the caller against the chunk. O(count · nodes).
    public mutating func accept(chunk: ChunkIndex, payload: RawSpan, merging: [TreeNode], yields: TreeNode) {
        let memory = takeMemory(payload.byteCount / 4)
        var target = memory.mutableSpan
        VectorKernels.copy(bytes: payload, into: &target)
        accept(chunk: chunk, borrowing: memory.borrowed(0..<memory.count), merging: merging, yields: yields)
    }

    /// Adds a pushed value into the held nodes `merging`, one after the other, and keeps the sum as `yields`. Keeps the value where it is
    /// until the sum is read or another value joins it.
    public mutating func accept(chunk: ChunkIndex, borrowing value: BorrowedFloats, merging: [TreeNode], yields: TreeNode) {
        let index = Int(chunk.rawValue)
        var sum = Held(node: yields, first: value)
        for sibling in merging {
            let other = single(remove(sibling, from: index))
            sum = Held(node: yields, first: single(sum), second: other)
        }
        held[index].append(sum)
    }

    /// The sum of a node, added up now if it was not; it stays held.
    public mutating func sum(_ node: TreeNode, of chunk: ChunkIndex) -> FloatMemory {
        let index = Int(chunk.rawValue)
        let memory = evaluate(remove(node, from: index))
        held[index].append(Held(node: node, first: memory.borrowed(0..<memory.count)))
        return memory
    }

    /// The one or two terms of a node's sum, which stays held.
    public func terms(_ node: TreeNode, of chunk: ChunkIndex) -> (first: BorrowedFloats, second: BorrowedFloats?) {
        guard let sum = held[Int(chunk.rawValue)].first(where: { $0.node == node }) else {
            preconditionFailure("node \(node) is not held")
        }
        return (sum.first, sum.second)
    }

    /// Forgets held nodes.
    public mutating func discard(chunk: ChunkIndex, nodes: [TreeNode]) {
        for node in nodes { _ = remove(node, from: Int(chunk.rawValue)) }
    }
}

extension NodeSums {
    private mutating func remove(_ node: TreeNode, from index: Int) -> Held {
        guard let place = held[index].firstIndex(where: { $0.node == node }) else {
            preconditionFailure("node \(node) is not held")
        }
        return held[index].remove(at: place)
    }

    /// A sum as one term: what is already one is not touched.
    private mutating func single(_ sum: Held) -> BorrowedFloats {
        if sum.second == nil { return sum.first }
        let memory = evaluate(sum)
        return memory.borrowed(0..<memory.count)
    }

    /// The sum in memory of the shard's own.
    private mutating func evaluate(_ sum: Held) -> FloatMemory {
        let memory = takeMemory(sum.first.count)
        let all = 0..<memory.count
        var target = memory.mutableSpan
        if let second = sum.second {
            VectorKernels.sum(sum.first.bytes(all), second.bytes(all), into: &target)
        } else {
            VectorKernels.copy(bytes: sum.first.bytes(all), into: &target)
        }
        return memory
    }

    private mutating func takeMemory(_ count: Int) -> FloatMemory {
        if memories[count] == nil { memories[count] = [] }
        let known = memories[count]?.count ?? 0
        for index in 0..<known where isKnownUniquelyReferenced(&memories[count]![index]) {
            atomicMemoryFence(ordering: .acquiring)
            return memories[count]![index]
        }
        let memory = FloatMemory(count: count)
        memories[count]?.append(memory)
        return memory
    }
}
