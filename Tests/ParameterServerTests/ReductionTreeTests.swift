import ParameterServer
import Testing

@Suite("The reduction tree")
struct ReductionTreeTests {
    /// The definition, word for word: a node [lo, hi) splits at lo + the largest power of two below hi − lo.
    static func naiveCut(_ node: TreeNode) -> Int {
        var power = 1
        while power * 2 < node.count { power *= 2 }
        return node.lower + power
    }

    @Test("splits at the largest power of two below the count", arguments: 2...70)
    func cut(partitions: Int) {
        var pending = [ReductionTree(partitions: partitions).root]
        var leaves = 0
        while let node = pending.popLast() {
            guard let (left, right) = node.children else {
                leaves += 1
                continue
            }
            #expect(left.upper == Self.naiveCut(node))
            #expect(left.lower == node.lower && left.upper == right.lower && right.upper == node.upper)
            pending += [left, right]
        }
        #expect(leaves == partitions)
    }

    @Test("knows each node's parent and sibling", arguments: [1, 2, 3, 5, 8, 13, 64, 100])
    func parents(partitions: Int) {
        let tree = ReductionTree(partitions: partitions)
        #expect(tree.parent(of: tree.root) == nil)
        var pending = [tree.root]
        while let node = pending.popLast() {
            #expect(tree.contains(node))
            guard let (left, right) = node.children else { continue }
            #expect(tree.parent(of: left)! == (node, right))
            #expect(tree.parent(of: right)! == (node, left))
            pending += [left, right]
        }
    }

    @Test("tells ranges that are no node from nodes")
    func strangers() {
        let tree = ReductionTree(partitions: 6)
        #expect(!tree.contains(TreeNode(1, 3)))
        #expect(!tree.contains(TreeNode(0, 3)))
        #expect(!tree.contains(TreeNode(4, 7)))
        #expect(tree.contains(TreeNode(4, 6)))
    }

    @Test("covers any set by its fewest nodes", arguments: [1, 2, 3, 5, 7, 8])
    func maximalNodes(partitions: Int) {
        let tree = ReductionTree(partitions: partitions)
        for mask in 0..<(1 << partitions) {
            let members = (0..<partitions).filter { mask >> $0 & 1 == 1 }
            let nodes = tree.maximalNodes(of: members)
            #expect(nodes.flatMap { Array($0.partitions) } == members)
            #expect(nodes.allSatisfy(tree.contains))
            for node in nodes where node != tree.root {
                let sibling = tree.parent(of: node)!.sibling
                #expect(!nodes.contains(sibling), "two siblings would have been one node")
            }
        }
    }
}
