import LinearAlgebra
import ParameterServer
import ShardKernels
import Training

/// One compute thread of a worker: takes nodes, computes their gradients, hands them over chunk by chunk.
///
/// BLAS calls run here and nowhere else in a worker.
final class Lane: Sendable {
    private let orders = Mailbox<LaneWork>(capacity: 1 << 17)
    private let thread: ServiceThread

    /// Starts the thread; `done` is called on it.
    init(number: Int, plan: TrainingPlan, board: PartBoard, done: @escaping @Sendable (WorkerPost) -> Void) {
        let orders = orders
        thread = ServiceThread(name: "plumb-lane-\(number)") {
            BLAS.useOneThread()
            var computer = MicrobatchComputer(plan)
            var prober = ProbeComputer(plan)
            var timeline = Timeline(rawValue: 0)
            while !orders.isFinished { Self.next(plan, orders, board, &computer, &prober, &timeline, done) }
        }
    }

    private static let bucketElements = 262_144

    private static func next(
        _ plan: TrainingPlan, _ orders: Mailbox<LaneWork>, _ board: PartBoard, _ computer: inout MicrobatchComputer,
        _ prober: inout ProbeComputer, _ timeline: inout Timeline,
        _ done: (WorkerPost) -> Void
    ) {
        guard let work = orders.take(within: .seconds(1)) else { return }
        let (step, node) = (work.step, work.node)
        if work.timeline != timeline {
            // What was derived from a version of another history may have been read while that version was written over.
            computer.startOver()
            prober.startOver()
            timeline = work.timeline
        }
        if let order = work.probe {
            let (product, scalars) = prober.evaluate(order, parameters: work.parameters.span)
            return done(.probed(NodeProduct(round: step, node: node, product: product, scalars: scalars)))
        }
        // Every post wakes a thread that takes turns with this one: chunks are told of by the bucket, and the last at once. They are ready
        // from the last to the first, so a bucket is a range.
        var (told, elements) = (UInt32(plan.chunks.chunks.count), 0)
        let start = ContinuousClock.now
        var waited = Duration.zero
        let result = try? computer.gradient(
            of: work.part ?? node, step: step, parameters: work.parameters.span,
            chunksNeeded: { (count) throws(ArrivalGate.Abandoned) in
                waited += try work.gate?.wait(for: count) { !orders.isClosed } ?? .zero
            },
            chunkReady: { chunk, gradient in
                if work.part != nil || work.gate?.isAbandoned == true { return }
                elements += plan.chunks.chunks[Int(chunk.rawValue)].range.count
                guard elements >= bucketElements || chunk.rawValue == 0 else { return }
                let chunks = chunk.rawValue..<told
                done(.chunksComputed(order: work.order, step: step, node: node, chunks: chunks, gradient: gradient))
                (told, elements) = (chunk.rawValue, 0)
            })
        // What was computed while its version was written over must not be told of.
        guard let (gradient, scalars) = result, work.gate?.isAbandoned != true else { return computer.startOver() }
        let busy = ContinuousClock.now - start - waited
        if let part = work.part {
            return board.add(part, of: work, PartBoard.Sum(gradient: gradient, scalars: scalars, busy: busy, gate: work.gate))
        }
        done(.computed(order: work.order, step: step, node: node, scalars: scalars, busy: busy))
    }

    func compute(_ work: LaneWork) { _ = orders.offer(work) }

    /// Lets the thread end after the work at hand.
    func close() { orders.close() }

    /// Waits for its end at most `limit`.
    func join(within limit: Duration) -> Bool { thread.join(within: limit) }
}

/// What a lane is asked to do.
struct LaneWork: Sendable {
    /// Which order of the data loop's this is; 0 for a probe's.
    var order: UInt64 = 0
    /// The history in which the step's parameters are what they are.
    var timeline: Timeline
    /// The step, or the round of a probe.
    var step: Step
    var node: TreeNode
    /// The version to compute with.
    var parameters: FloatMemory
    /// What opens as the version arrives, if it is not whole yet.
    var gate: ArrivalGate?
    /// The part of the node that is this lane's; nil for all of it.
    var part: TreeNode?
    /// What to evaluate instead of the gradient.
    var probe: ProbeOrder?
}

/// What a probe's order came to.
struct NodeProduct: Sendable {
    var round: Step
    var node: TreeNode
    /// Empty when the task has none.
    var product: AlignedVector
    var scalars: [Double]
}
