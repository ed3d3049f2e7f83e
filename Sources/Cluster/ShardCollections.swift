import LinearAlgebra
import ParameterServer
import ShardKernels

/// The squared norms of a step's segments, chunk by chunk as they are rooted.
struct NormCollector {
    /// Ascending.
    private let chunks: [ChunkIndex]
    private var byPlace: [[Double]]
    private var missing: Int

    init(chunks: [ChunkIndex]) {
        self.chunks = chunks
        byPlace = Array(repeating: [], count: chunks.count)
        missing = chunks.count
    }

    var isComplete: Bool { missing == 0 }

    mutating func set(_ norms: [Double], of chunk: ChunkIndex) {
        guard let place = chunks.firstIndex(of: chunk) else { preconditionFailure("the chunk is not hosted here") }
        if byPlace[place].isEmpty { missing -= 1 }
        byPlace[place] = norms
    }

    /// All norms in the plan's order; begins anew.
    mutating func take() -> [Double] {
        let all = byPlace.flatMap { $0 }
        self = NormCollector(chunks: chunks)
        return all
    }
}

/// Whose microbatches counted in the present step.
struct Contributions {
    private var held: [TreeNode: WorkerID] = [:]

    mutating func accept(_ node: TreeNode, from worker: WorkerID) { held[node] = worker }

    /// An ancestor has replaced these sums: what they were made of does not count.
    mutating func discard(_ nodes: [TreeNode]) {
        for node in nodes { held = held.filter { !node.covers($0.key) } }
    }

    /// Microbatches by worker; begins anew.
    mutating func take() -> [WorkerID: Int] {
        var counts: [WorkerID: Int] = [:]
        for (node, worker) in held { counts[worker, default: 0] += node.count }
        held.removeAll(keepingCapacity: true)
        return counts
    }
}
