/// The canonical binary tree over `[0, M)` along which every sum over microbatches is made.
///
/// The tree depends on `M` alone, so a sum along it has the same bits whoever adds and whenever the terms arrive.
public struct ReductionTree: Hashable, Codable, Sendable {
    /// The number of leaves `M`.
    public let partitions: Int

    /// Limit on `M`: a node's bounds travel in frames, and a shard's memory is planned from it.
    public static let partitionsMax = 65_536

    /// The tree over `partitions` leaves, `1 … partitionsMax`.
    public init(partitions: Int) {
        precondition((1...Self.partitionsMax).contains(partitions), "a tree has 1 to \(Self.partitionsMax) leaves")
        self.partitions = partitions
    }

    public var root: TreeNode { TreeNode(0, partitions) }

    /// The node that `node` is a child of, and the other child; nil for the root and for ranges that are no node of the tree. O(log M).
    public func parent(of node: TreeNode) -> (parent: TreeNode, sibling: TreeNode)? {
        var candidate = root
        while let (left, right) = candidate.children {
            if node == left { return (candidate, right) }
            if node == right { return (candidate, left) }
            if left.covers(node) { candidate = left } else if right.covers(node) { candidate = right } else { return nil }
        }
        return nil
    }

    /// Whether `node` is a node of this tree. O(log M).
    public func contains(_ node: TreeNode) -> Bool { node == root || parent(of: node) != nil }

    /// The fewest nodes that cover exactly `partitions` (ascending, without repeats), in ascending order. O(n log M).
    public func maximalNodes(of partitions: [Partition]) -> [TreeNode] {
        var nodes: [TreeNode] = []
        collect(root, from: partitions[...], into: &nodes)
        return nodes
    }

    private func collect(_ node: TreeNode, from members: ArraySlice<Partition>, into nodes: inout [TreeNode]) {
        if members.isEmpty { return }
        if members.count == node.count { return nodes.append(node) }
        guard let (left, right) = node.children else { return }
        let cut = members.firstIndex { $0 >= right.lower } ?? members.endIndex
        collect(left, from: members[..<cut], into: &nodes)
        collect(right, from: members[cut...], into: &nodes)
    }
}
