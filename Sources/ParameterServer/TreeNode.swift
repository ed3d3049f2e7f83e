/// A node of the reduction tree: the sum over the partitions `lower ..< upper`.
public struct TreeNode: Hashable, Codable, Sendable, Comparable, CustomStringConvertible {
    public let lower: Partition
    public let upper: Partition

    /// The node over `lower ..< upper`, which must hold at least one partition.
    public init(_ lower: Partition, _ upper: Partition) {
        precondition(0 <= lower && lower < upper, "a tree node holds at least one partition")
        self.lower = lower
        self.upper = upper
    }

    /// The node of one partition.
    public init(leaf partition: Partition) { self.init(partition, partition + 1) }

    public var count: Int { upper - lower }
    public var isLeaf: Bool { count == 1 }
    public var partitions: Range<Partition> { lower..<upper }
    public var description: String { "[\(lower), \(upper))" }

    /// Whether every partition of `other` is one of this node's.
    public func covers(_ other: TreeNode) -> Bool { lower <= other.lower && other.upper <= upper }

    /// The halves whose sums add up to this node's; nil for a leaf. The cut is at the largest power of two below the count.
    public var children: (left: TreeNode, right: TreeNode)? {
        guard count > 1 else { return nil }
        let cut = lower + 1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount)
        return (TreeNode(lower, cut), TreeNode(cut, upper))
    }

    public static func < (a: TreeNode, b: TreeNode) -> Bool { (a.lower, a.upper) < (b.lower, b.upper) }
}
