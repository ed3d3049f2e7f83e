import ParameterServer

/// The sums of the statistics chunk: float64 vectors, added along the same tree as the gradients.
public struct StatisticsReducer: Sendable {
    private var held: [TreeNode: [Double]] = [:]

    public init() {}

    /// Adds a pushed vector into the held nodes `merging`, one after the other, and keeps the sum as `yields`.
    ///
    /// Vectors of one step have the same count; a shorter one would be a programmer's mistake, for its size is checked on arrival.
    public mutating func accept(_ values: [Double], merging: [TreeNode], yields: TreeNode) {
        var sum = values
        for sibling in merging {
            guard let other = held.removeValue(forKey: sibling) else { preconditionFailure("node \(sibling) is not held") }
            precondition(other.count == sum.count, "statistics of one step have one length")
            for index in sum.indices { sum[index] += other[index] }
        }
        held[yields] = sum
    }

    /// Forgets held nodes.
    public mutating func discard(_ nodes: [TreeNode]) {
        for node in nodes { held[node] = nil }
    }

    /// The sum that is held for a node.
    public func sum(_ node: TreeNode) -> [Double] {
        guard let sum = held[node] else { preconditionFailure("node \(node) is not held") }
        return sum
    }

    /// Hands out the sum of the root.
    public mutating func take(root: TreeNode) -> [Double] {
        guard let sum = held.removeValue(forKey: root) else { preconditionFailure("the statistics are not rooted") }
        return sum
    }
}
