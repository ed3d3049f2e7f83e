import LinearAlgebra
import ParameterServer
import ShardKernels
import StructuredLayers
import Synchronization
import Training

/// A lane that computes nothing, so that a worker's exchange can be measured alone: the gradient of every order is one constant vector.
///
/// An order is answered at once, on the thread that gives it, as a lane would in the end: every chunk's gradient, the last chunk first,
/// then the scalars. What passes between a data loop and a lane's thread belongs to computing and is left out. Without steps to take, an
/// order waits.
final class EmulatedLane: Sendable {
    private struct State {
        var waiting: LaneWork?
        var stepsLeft = 0
    }

    private let chunks: Range<UInt32>
    private let gradient: FloatMemory
    private let scalars: NodeScalars
    private let post: @Sendable (WorkerPost) -> Void
    private let state = Mutex(State())
    /// When an order came that there were no steps left for.
    private let idle = Mailbox<ContinuousClock.Instant>(capacity: 1)

    /// A lane that answers through `post`, which may be called on any thread. O(elements) of the plan, whose parameters' length its gradient has.
    init(plan: TrainingPlan, post: @escaping @Sendable (WorkerPost) -> Void) {
        chunks = 0..<UInt32(plan.chunks.chunks.count)
        let gradient = FloatMemory(count: plan.network.layout.count)
        var values = gradient.mutableSpan
        VectorKernels.fill(&values, with: 1e-3)
        self.gradient = gradient
        scalars = NodeScalars(Array(repeating: 0, count: plan.statistics.count(gathered: false)))
        self.post = post
    }

    /// Takes an order: answers it, or keeps it when all steps are taken.
    func compute(_ work: LaneWork) {
        let isDue = state.withLock { state in
            if state.stepsLeft > 0 {
                state.stepsLeft -= 1
                return true
            }
            state.waiting = work
            return false
        }
        if isDue { answer(work) } else { _ = idle.offer(.now) }
    }

    /// Waits at most `limit` for the worker to ask for a step.
    ///
    /// - Returns: when it did; nil when it has not.
    func waitUntilIdle(within limit: Duration) -> ContinuousClock.Instant? { idle.take(within: limit) }

    /// Answers the order that waits and `steps - 1` after it; the next one after those makes the lane idle again.
    func allow(steps: Int) {
        precondition(steps >= 1, "some steps are taken")
        let work = state.withLock { state in
            defer { (state.waiting, state.stepsLeft) = (nil, steps - 1) }
            return state.waiting
        }
        guard let work else { preconditionFailure("the lane is idle") }
        answer(work)
    }

    private func answer(_ work: LaneWork) {
        post(.chunksComputed(order: work.order, step: work.step, node: work.node, chunks: chunks, gradient: gradient))
        post(.computed(order: work.order, step: work.step, node: work.node, scalars: scalars, busy: .zero))
    }
}
