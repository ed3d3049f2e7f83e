import LinearAlgebra
import ParameterServer
import StructuredLayers

/// A worker's side of probe rounds: receives the round's vector and task, has its nodes computed once it holds the version, pushes.
///
/// Rounds are followed by a worker's machine of their own, which is given the same partitions as training. Used by the thread that owns
/// the worker's data.
public struct ProbeFollower: Sendable {
    /// What the shell must do, in order. Names of frames are those of training with the mark of a probe.
    public enum Directive: Sendable {
        /// Ask the shard for this round and all later ones.
        case subscribe(fromRound: Step, timeline: Timeline)
        /// Compute the task for `node` on the version held, and report `computed`.
        case compute(ProbeOrder)
        /// Send the product of `node`, every chunk, and its scalars.
        case push(round: Step, node: TreeNode, timeline: Timeline)
        /// Forget what was computed for `node`.
        case release(round: Step, node: TreeNode)
        /// Ask the shard for these chunks again.
        case request(round: Step, chunks: [ChunkIndex], timeline: Timeline)
    }

    private let plan: TrainingPlan
    private var machine: WorkerMachine
    private let frameCount: Int
    /// The present round's vector and the one that arrives; empty until a round has one.
    private var vector = AlignedVector(count: 0)
    private var incoming = AlignedVector(count: 0)
    private var task: ProbeTask?
    private var incomingTask: ProbeTask?
    /// The whole version of the parameters that the worker holds.
    private var held: Step?
    /// Nodes that wait for the version of their task.
    private var waiting: [(round: Step, node: TreeNode)] = []
    private var pending: [WorkerMachine.Directive] = []

    /// A follower that holds nothing yet.
    public init(plan: TrainingPlan) {
        self.plan = plan
        frameCount = plan.probeFrames.count
        machine = WorkerMachine(tree: plan.tree, frameCount: frameCount, steps: .max)
    }

    /// The round that is evaluated, and the nodes that wait for the version of its task.
    public var situation: (round: Step?, waiting: Int, missing: Int) {
        (machine.version, waiting.count, machine.missingChunks.count)
    }

    /// What the worker computes in training it computes in probes too.
    public mutating func assign(_ assignment: Assignment, into directives: inout [Directive]) {
        var stale: [(round: Step, node: TreeNode)] = []
        if assignment.timeline != machine.currentTimeline { swap(&stale, &waiting) }
        var mine = assignment
        mine.fromStep = 1
        handle(.assigned(mine), into: &directives)
        // The machine counts them among what is computed, and would wait for them for ever.
        for (round, node) in stale { computed(round: round, node: node, into: &directives) }
    }

    /// Whether elements for `chunk` can be of a round: none or the whole chunk; the task's for the first frame of scalars.
    public func accepts(count: Int, of chunk: ChunkIndex) -> Bool {
        if chunk == plan.chunks.statistics { return count == ProbeTask.encodedCount }
        guard !plan.carriesScalars(chunk) else { return count == 0 && Int(chunk.rawValue) < frameCount }
        return count == 0 || count == plan.chunks.chunks[Int(chunk.rawValue)].range.count
    }

    /// Takes a chunk of a round's vector (float32) or its task (float64), little-endian, of a size that `accepts` allows.
    public mutating func receive(
        _ chunk: ChunkIndex, round: Step, timeline: Timeline, payload: RawSpan, into directives: inout [Directive]
    ) {
        machine.handle(.parametersArrived(chunk: chunk, version: round, timeline: timeline), into: &pending)
        let todo = pending
        pending.removeAll(keepingCapacity: true)
        for directive in todo {
            if case .store = directive { store(chunk, payload) } else { carryOut(directive, &directives) }
        }
    }

    private mutating func store(_ chunk: ChunkIndex, _ payload: RawSpan) {
        if chunk == plan.chunks.statistics {
            let values = (0..<payload.byteCount / 8).map { index in
                unsafe Double(
                    bitPattern: UInt64(littleEndian: payload.unsafeLoadUnaligned(fromByteOffset: index * 8, as: UInt64.self)))
            }
            incomingTask = ProbeTask(decoding: values)
            return
        }
        if payload.byteCount == 0 { return }
        if incoming.count == 0 { incoming = AlignedVector(count: plan.network.layout.count) }
        let range = plan.chunks.chunks[Int(chunk.rawValue)].range
        var all = incoming.mutableSpan
        var part = all.part(range)
        VectorKernels.copy(bytes: payload, into: &part)
    }

    /// The worker now computes with `version` of the parameters.
    public mutating func hold(_ version: Step?, into directives: inout [Directive]) {
        held = version
        let nodes = waiting
        waiting = []
        for (round, node) in nodes { order(round, node, &directives) }
    }

    /// What a `.compute` asked for is there.
    public mutating func computed(round: Step, node: TreeNode, into directives: inout [Directive]) {
        handle(.computed(step: round, node: node), into: &directives)
    }

    /// The next round has been awaited for too long.
    public mutating func waitedTooLong(into directives: inout [Directive]) { handle(.waitedTooLong, into: &directives) }

    private mutating func handle(_ event: WorkerMachine.Event, into directives: inout [Directive]) {
        var todo: [WorkerMachine.Directive] = []
        machine.handle(event, into: &todo)
        for directive in todo { carryOut(directive, &directives) }
    }

    private mutating func carryOut(_ directive: WorkerMachine.Directive, _ directives: inout [Directive]) {
        switch directive {
        case .subscribe(let round, let timeline): directives.append(.subscribe(fromRound: round, timeline: timeline))
        case .reportSynchronized, .store, .drop: break
        case .advance:
            swap(&vector, &incoming)
            task = incomingTask
        case .compute(let round, let node): order(round, node, &directives)
        case .abandon: preconditionFailure("no round is begun ahead of its numbers")
        case .push: preconditionFailure("a product is pushed whole")
        case .pushScalars(let round, let node, let timeline):
            directives.append(.push(round: round, node: node, timeline: timeline))
        case .release(let round, let node): directives.append(.release(round: round, node: node))
        case .requestParameters(let round, let chunks):
            guard let timeline = machine.currentTimeline else { return }
            directives.append(.request(round: round, chunks: chunks, timeline: timeline))
        }
    }

    /// Has a node computed when the version is there; one whose version has passed is nobody's concern any more.
    private mutating func order(_ round: Step, _ node: TreeNode, _ directives: inout [Directive]) {
        guard let task, (held ?? 0) <= task.version else { return computed(round: round, node: node, into: &directives) }
        guard held == task.version else { return waiting.append((round, node)) }
        directives.append(
            .compute(ProbeOrder(round: round, node: node, task: task, vector: task.hasVector ? vector : AlignedVector(count: 0))))
    }
}

/// A node's share of a probe round.
public struct ProbeOrder: Sendable {
    public var round: Step
    public var node: TreeNode
    public var task: ProbeTask
    /// The round's vector, flat; empty when the task has none.
    public var vector: AlignedVector
}
