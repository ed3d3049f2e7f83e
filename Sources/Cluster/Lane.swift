import LinearAlgebra
import ParameterServer
import Training

/// One compute thread of a worker: takes nodes, computes their gradients, hands them over.
///
/// BLAS calls run here and nowhere else in a worker.
final class Lane: Sendable {
    private enum Order: Sendable {
        case compute(LaneWork)
        case recycle(AlignedVector)
    }

    private let orders = Mailbox<Order>(capacity: 1 << 17)
    private let thread: ServiceThread

    /// Starts the thread; `done` is called on it.
    init(plan: TrainingPlan, done: @escaping @Sendable (NodeGradient) -> Void) {
        let orders = orders
        thread = ServiceThread(name: "plumb-lane") {
            BLAS.useOneThread()
            var computer = MicrobatchComputer(plan)
            var prober = ProbeComputer(plan)
            while !orders.isFinished {
                if let result = Self.next(orders, &computer, &prober) { done(result) }
            }
        }
    }

    /// Takes and carries out one order. The version's buffer is let go on return, so that its owner can write it again without a copy.
    private static func next(_ orders: Mailbox<Order>, _ computer: inout MicrobatchComputer, _ prober: inout ProbeComputer)
        -> NodeGradient?
    {
        switch orders.take(within: .seconds(1)) {
        case nil: return nil
        case .recycle(let gradient):
            computer.recycle(gradient)
            return nil
        case .compute(let work):
            if let order = work.probe {
                let (product, scalars) = prober.evaluate(order, parameters: work.parameters)
                return NodeGradient(step: work.step, node: work.node, gradient: product, scalars: scalars, isProbe: true)
            }
            let (gradient, scalars) = computer.gradient(of: work.node, step: work.step, parameters: work.parameters)
            return NodeGradient(step: work.step, node: work.node, gradient: gradient, scalars: scalars)
        }
    }

    func compute(_ work: LaneWork) { _ = orders.offer(.compute(work)) }

    func recycle(_ gradient: AlignedVector) { _ = orders.offer(.recycle(gradient)) }

    /// Ends the thread after the work at hand; waits for it at most `limit`.
    func stop(within limit: Duration) -> Bool {
        orders.close()
        return thread.join(within: limit)
    }
}
