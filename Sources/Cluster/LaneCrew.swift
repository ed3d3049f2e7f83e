import LinearAlgebra
import ParameterServer
import Synchronization
import Training

/// The lanes of a worker, which compute the microbatches of a node side by side and add them along the tree.
///
/// A node of several microbatches is cut into as many parts as there are lanes; whoever completes a pair adds it. So every microbatch is
/// computed alone, on one BLAS thread, and sums are those of one lane, bit for bit.
final class LaneCrew: Sendable {
    private let lanes: [Lane]
    private let board: PartBoard

    /// Starts `count` threads; `done` is called on them.
    init(plan: TrainingPlan, count: Int, done: @escaping @Sendable (WorkerPost) -> Void) {
        precondition(count >= 1, "a worker computes")
        let board = PartBoard(plan: plan, done: done)
        self.board = board
        lanes = (0..<count).map { Lane(number: $0, plan: plan, board: board, done: done) }
    }

    /// Has a node computed; probes are one lane's, which keeps what it needs from round to round.
    func compute(_ work: LaneWork) {
        guard work.probe == nil, lanes.count > 1, work.node.count > 1 else { return lanes[0].compute(work) }
        var parts = [work.node]
        while parts.count < lanes.count, let largest = parts.indices.max(by: { parts[$0].count < parts[$1].count }),
            let (left, right) = parts[largest].children
        {
            parts.replaceSubrange(largest...largest, with: [left, right])
        }
        for (index, part) in parts.enumerated() {
            var share = work
            share.part = part
            lanes[index % lanes.count].compute(share)
        }
    }

    /// Ends the threads after the work at hand; waits for them at most `limit`.
    func stop(within limit: Duration) {
        for lane in lanes { lane.close() }
        for lane in lanes { _ = lane.join(within: limit) }
    }
}

/// The sums of parts of nodes that lanes compute together.
final class PartBoard: Sendable {
    /// A part's gradient and scalars, and what they took.
    struct Sum: Sendable {
        var gradient: FloatMemory
        var scalars: NodeScalars
        /// What lanes took for it.
        var busy: Duration
        /// Of the version that it was computed with.
        var gate: ArrivalGate?
    }

    private struct Key: Hashable, Sendable {
        var order: UInt64
        var node: TreeNode
    }

    private let plan: TrainingPlan
    private let done: @Sendable (WorkerPost) -> Void
    /// Parts whose siblings are still computed.
    private let sums = Mutex<[Key: Sum]>([:])

    init(plan: TrainingPlan, done: @escaping @Sendable (WorkerPost) -> Void) { (self.plan, self.done) = (plan, done) }

    /// A part of `work`'s node is computed: adds what its siblings have left here, and hands the node over when that was the last of it.
    func add(_ part: TreeNode, of work: LaneWork, _ sum: Sum) {
        let (step, node) = (work.step, work.node)
        var (part, sum) = (part, sum)
        while part != node {
            guard let (parent, sibling) = plan.tree.parent(of: part) else { preconditionFailure("a part lies in its node") }
            guard let other = meet(sibling, part, of: work.order, sum) else { return }
            let (left, right) = part.lower < sibling.lower ? (sum, other) : (other, sum)
            var target = left.gradient.mutableSpan
            VectorKernels.add(right.gradient.span, into: &target)
            left.scalars.add(right.scalars)
            (part, sum) = (
                parent, Sum(gradient: left.gradient, scalars: left.scalars, busy: left.busy + right.busy, gate: sum.gate)
            )
        }
        done(
            .chunksComputed(
                order: work.order, step: step, node: node, chunks: 0..<UInt32(plan.chunks.chunks.count), gradient: sum.gradient))
        done(.computed(order: work.order, step: step, node: node, scalars: sum.scalars, busy: sum.busy))
    }

    /// The sibling's sum, if it is here; otherwise the part's waits for it.
    private func meet(_ sibling: TreeNode, _ part: TreeNode, of order: UInt64, _ sum: Sum) -> Sum? {
        sums.withLock { sums in
            if let other = sums.removeValue(forKey: Key(order: order, node: sibling)) { return other }
            // Nobody comes for what was left of an abandoned version.
            for (key, left) in sums where left.gate?.isAbandoned == true { sums[key] = nil }
            sums[Key(order: order, node: part)] = sum
            return nil
        }
    }
}
