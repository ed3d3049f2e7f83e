import LinearAlgebra
import ParameterServer

/// The sums of the tree's held nodes, chunk by chunk.
///
/// A pushed value may be held where it arrived: two values that wait for each other are added once, when the sum is read. Mirrors
/// `ShardMachine`, directive for directive; used by one thread at a time.
public struct NodeSums: Sendable {
    /// A sum of one or two terms, which are not added yet.
    private struct Held: Sendable {
        var node: TreeNode
        var first: Term
        var second: Term?
    }

    private enum Term: Sendable {
        case own(AlignedVector)
        case borrowed(BorrowedFloats)

        func copy(_ range: Range<Int>, into target: inout MutableSpan<Float>) {
            switch self {
            case .own(let vector): VectorKernels.copy(vector.span.extracting(range), into: &target)
            case .borrowed(let floats): VectorKernels.copy(bytes: floats.bytes(range), into: &target)
            }
        }

        func add(_ range: Range<Int>, into target: inout MutableSpan<Float>) {
            switch self {
            case .own(let vector): VectorKernels.add(vector.span.extracting(range), into: &target)
            case .borrowed(let floats): VectorKernels.add(bytes: floats.bytes(range), into: &target)
            }
        }
    }

    /// By chunk; few nodes are held of any.
    private var held: [[Held]]
    private var spare: [Int: [AlignedVector]] = [:]

    /// Sums for this many chunks, none of which is held.
    public init(chunks: Int) { held = Array(repeating: [], count: chunks) }

    /// Adds a pushed value into the held nodes `merging`, one after the other, and keeps the sum as `yields`. Copies the value.
    ///
    /// `payload` is little-endian float32 at any alignment; its size is checked by the caller against the chunk. O(count · nodes).
    public mutating func accept(chunk: ChunkIndex, payload: RawSpan, merging: [TreeNode], yields: TreeNode) {
        let count = payload.byteCount / 4
        var value = takeSpare(count)
        var span = value.mutableSpan
        VectorKernels.copy(bytes: payload, into: &span)
        accept(.own(value), count, chunk: chunk, merging: merging, yields: yields)
    }

    /// Adds a pushed value into the held nodes `merging`, one after the other, and keeps the sum as `yields`. Keeps the value where it is
    /// until the sum is read or another value joins it.
    public mutating func accept(chunk: ChunkIndex, borrowing value: BorrowedFloats, merging: [TreeNode], yields: TreeNode) {
        accept(.borrowed(value), value.count, chunk: chunk, merging: merging, yields: yields)
    }

    private mutating func accept(_ value: Term, _ count: Int, chunk: ChunkIndex, merging: [TreeNode], yields: TreeNode) {
        let index = Int(chunk.rawValue)
        var sum = Held(node: yields, first: value)
        for sibling in merging {
            let other = single(remove(sibling, from: index), count)
            let present = single(sum, count)
            sum = Held(node: yields, first: present, second: other)
        }
        held[index].append(sum)
    }

    /// The sum of a node, added up now if it was not.
    public mutating func sum(_ node: TreeNode, of chunk: ChunkIndex, count: Int) -> AlignedVector {
        let index = Int(chunk.rawValue)
        let sum = evaluate(remove(node, from: index), count)
        held[index].append(Held(node: node, first: .own(sum)))
        return sum
    }

    /// A piece of a node's sum: the elements `range` of the chunk, of as many as `target` has. O(count).
    public func read(_ node: TreeNode, of chunk: ChunkIndex, _ range: Range<Int>, into target: inout MutableSpan<Float>) {
        guard let sum = held[Int(chunk.rawValue)].first(where: { $0.node == node }) else {
            preconditionFailure("node \(node) is not held")
        }
        Self.add(sum.first, sum.second, range, into: &target)
    }

    /// Hands out the sum of a node and forgets it; give the memory back by `recycle`. O(count).
    public mutating func take(_ node: TreeNode, of chunk: ChunkIndex, count: Int) -> AlignedVector {
        evaluate(remove(node, from: Int(chunk.rawValue)), count)
    }

    /// Forgets held nodes.
    public mutating func discard(chunk: ChunkIndex, nodes: [TreeNode]) {
        for node in nodes {
            guard let place = held[Int(chunk.rawValue)].firstIndex(where: { $0.node == node }) else {
                preconditionFailure("node \(node) is not held")
            }
            forget(place, Int(chunk.rawValue))
        }
    }

    /// Gives memory back.
    public mutating func recycle(_ vector: AlignedVector) { spare[vector.count, default: []].append(vector) }
}

extension NodeSums {
    private mutating func takeSpare(_ count: Int) -> AlignedVector { spare[count]?.popLast() ?? AlignedVector(count: count) }

    private mutating func remove(_ node: TreeNode, from index: Int) -> Held {
        guard let place = held[index].firstIndex(where: { $0.node == node }) else {
            preconditionFailure("node \(node) is not held")
        }
        return held[index].remove(at: place)
    }

    private mutating func forget(_ place: Int, _ index: Int) {
        let gone = held[index].remove(at: place)
        recycle(gone.first)
        if let second = gone.second { recycle(second) }
    }

    private mutating func recycle(_ term: Term) { if case .own(let vector) = term { recycle(vector) } }

    /// A sum as one term: what is already one is not touched.
    private mutating func single(_ sum: Held, _ count: Int) -> Term { sum.second == nil ? sum.first : .own(evaluate(sum, count)) }

    /// The sum in memory of the shard's own.
    private mutating func evaluate(_ sum: Held, _ count: Int) -> AlignedVector {
        if sum.second == nil, case .own(let vector) = sum.first { return vector }
        var result = takeSpare(count)
        var target = result.mutableSpan
        Self.add(sum.first, sum.second, 0..<count, into: &target)
        recycle(sum.first)
        if let second = sum.second { recycle(second) }
        return result
    }

    private static func add(_ first: Term, _ second: Term?, _ range: Range<Int>, into target: inout MutableSpan<Float>) {
        first.copy(range, into: &target)
        second?.add(range, into: &target)
    }
}
