import LinearAlgebra
import ParameterServer
import ShardKernels
import SpectralDiagnostics
import StructuredLayers

/// A shard's side of probe rounds: sends out the round's vector, adds what comes back along the tree.
///
/// Rounds are counted like versions by a machine of their own, so that losses, joins and rollbacks are met as in training. A vector is
/// published chunk by chunk with the task in the place of the statistics; the pushes are partial sums of the same shape. Used by the
/// thread that owns the shard.
public struct ProbeShard: Sendable {
    /// What the shell must do, in order.
    public enum Directive: Hashable, Sendable {
        /// Send chunk `chunk` of the round's vector, its task for the first frame of scalars, nothing for the others.
        case publish(chunk: ChunkIndex, round: Step, to: [WorkerID])
        /// Every chunk of the round is summed: what that came to.
        case reply(ProbeShardReply)
    }

    private let plan: TrainingPlan
    private var machine: ShardMachine
    private var sums: NodeSums
    /// Of each frame of scalars.
    private var scalars: [StatisticsReducer]
    /// What the round asks for; nil before the first.
    public private(set) var task: ProbeTask?
    /// The parameters of the version that is probed; and its network, once a diagnostic has needed it.
    private var parameters = AlignedVector(count: 0)
    private var frozen: (version: Step, network: FrozenNetwork)?
    /// The round's vector, flat; empty until a round needs one.
    private var vector = AlignedVector(count: 0)
    /// The shard's part of the Krylov basis while curvature is examined.
    private var krylov: KrylovShard?
    private let layout: KrylovLayout
    private var pending: [ShardMachine.Directive] = []

    /// A shard that has had no round yet.
    public init(plan: TrainingPlan, timeline: Timeline) {
        self.plan = plan
        layout = plan.krylovLayout
        let frames = plan.probeFrames
        scalars = frames.filter(plan.carriesScalars).map { _ in StatisticsReducer() }
        sums = NodeSums(chunks: plan.chunks.chunks.count)
        machine = ShardMachine(
            .init(
                tree: plan.tree, chunks: frames,
                // The scalars are summed and held back like every chunk of the product.
                statistics: ChunkIndex(rawValue: .max), steps: .max, twoPhase: true,
                captures: CaptureSchedule(parametersEvery: [], completeEvery: 0, last: .max)), timeline: timeline)
    }

    /// The present round; 0 before the first.
    public var round: Step { machine.version }

    public var timeline: Timeline { machine.timeline }

    /// The partitions that the present round still misses, ascending: whom a stalled probe waits for.
    public var missingPartitions: [Partition] { task == nil ? [] : machine.missingPartitions }

    /// Elements of what a worker pushes for `chunk` in the present round; nil before the first.
    public func expectedCount(of chunk: ChunkIndex) -> Int? {
        guard let task else { return nil }
        guard Int(chunk.rawValue) < plan.chunks.chunks.count + scalars.count else { return nil }
        if plan.carriesScalars(chunk) { return plan.scalars(of: chunk, count: plan.scalarCount(of: task)).count }
        return task.hasVector ? plan.chunks.chunks[Int(chunk.rawValue)].range.count : 0
    }

    /// The round's vector, flat; empty in a round without one.
    public var published: AlignedVector { task?.hasVector == true ? vector : AlignedVector(count: 0) }

    /// The elements of `published` that chunk `chunk` carries; none for scalars.
    public func publishedRange(of chunk: ChunkIndex) -> Range<Int> {
        if plan.carriesScalars(chunk) { return 0..<0 }
        return task?.hasVector == true ? plan.chunks.chunks[Int(chunk.rawValue)].range : 0..<0
    }

    /// Does what the coordinator asks of a shard that holds `state` of the version probed; the answer, unless it comes later.
    public mutating func carryOut(_ order: ProbeShardOrder, state: OptimizerState, into directives: inout [Directive])
        -> ProbeShardReply?
    {
        switch order {
        case .begin(let task):
            parameters = state.parameters
            begin(task, &directives)
            return nil
        case .krylov(let command, let version):
            if case .measure(let isPreconditioned) = command { prepareKrylov(state, isPreconditioned ? version : nil) }
            return .krylov(krylov?.execute(command) ?? [])
        case .end:
            forget()
            return nil
        }
    }

    /// Lets go of what belongs to a version.
    private mutating func forget() { (krylov, parameters, frozen) = (nil, AlignedVector(count: 0), nil) }

    /// - Parameter preconditioning: the version whose steps' P the Hessian is scaled by; nil for the Hessian as it is.
    private mutating func prepareKrylov(_ state: OptimizerState, _ preconditioning: Step?) {
        var shard = KrylovShard(chunks: layout.chunks)
        for (position, chunk) in layout.chunks.enumerated() {
            shard.setParameters(state.parameters.span.extracting(chunk.range), ofChunk: position)
            guard let preconditioning else { continue }
            let scaling = state.inverseRootPreconditioner(plan.update, at: preconditioning, plan.chunks.chunks[position])
            shard.setScaling(scaling, ofChunk: position)
        }
        krylov = shard
    }

    private mutating func begin(_ task: ProbeTask, _ directives: inout [Directive]) {
        if task.hasVector { publishDirection() }
        // The machine lets go of the sums of the task before.
        machine.handle(.superseded(step: machine.version), into: &pending)
        discardPending()
        self.task = task
        carryOutPending(&directives)
    }

    /// Padding between blocks, which no chunk has, stays zero.
    private mutating func publishDirection() {
        if vector.count == 0 { vector = AlignedVector(count: plan.network.layout.count) }
        guard let krylov else { preconditionFailure("a product is taken for a basis") }
        let chunks = layout.chunks
        var all = vector.mutableSpan
        for (position, chunk) in chunks.enumerated() {
            var part = all.part(chunk.range)
            krylov.copyDirection(chunk: position, into: &part)
        }
    }

    /// What a whole round came to; a product goes to the basis.
    private mutating func reduce() -> ProbeShardReply {
        let total = scalars.flatMap { $0.sum(plan.tree.root) }
        switch task?.work {
        case .measure(let name):
            let version = task?.version ?? 0
            let network = frozen?.version == version ? frozen?.network : nil
            let known = network ?? FrozenNetwork(plan.network, parameters: parameters)
            frozen = (version, known)
            return .measured(plan.rows(of: name, sums: total, parameters: known))
        case .product:
            for (position, chunk) in plan.chunks.chunks.enumerated() {
                let product = sums.sum(plan.tree.root, of: chunk.index)
                krylov?.takeProduct(product.span, ofChunk: position)
            }
            return .productTaken
        case nil: preconditionFailure("a round has a task")
        }
    }

    /// A worker wants every round from `round` on, the present one included.
    public mutating func subscribe(_ worker: WorkerID, from round: Step, into directives: inout [Directive]) {
        machine.handle(.subscribed(worker, fromVersion: max(1, round)), into: &pending)
        carryOutPending(&directives)
    }

    public mutating func unsubscribe(_ worker: WorkerID) {
        machine.handle(.unsubscribed(worker), into: &pending)
        pending.removeAll()
    }

    /// A worker misses chunks of a round.
    public mutating func request(_ worker: WorkerID, round: Step, chunks: [ChunkIndex], into directives: inout [Directive]) {
        machine.handle(.parametersRequested(worker, version: max(1, round), chunks: chunks), into: &pending)
        carryOutPending(&directives)
    }

    /// A new timeline: the round that runs is void, and whoever follows it subscribes anew.
    public mutating func restart(timeline: Timeline) {
        machine.handle(.restored(version: machine.version, timeline: timeline), into: &pending)
        discardPending()
        pending.removeAll()
        task = nil
        forget()
    }

    /// Takes a push whose size is `expectedCount`: float32 of the product or float64 of the scalars, little-endian.
    public mutating func push(_ name: PushName, payload: RawSpan, into directives: inout [Directive]) {
        machine.handle(.pushed(name), into: &pending)
        let hasVector = task?.hasVector ?? false
        for directive in pending {
            switch directive {
            case .accept(let chunk, let merging, let yields) where plan.carriesScalars(chunk):
                scalars[place(of: chunk)].accept(Self.doubles(payload), merging: merging, yields: yields)
            case .accept(let chunk, let merging, let yields):
                if hasVector { sums.accept(chunk: chunk, payload: payload, merging: merging, yields: yields) }
            case .discard(let chunk, let nodes): discard(chunk, nodes)
            default: break
            }
        }
        carryOutPending(&directives)
    }

    /// Of a frame of scalars among them.
    private func place(of chunk: ChunkIndex) -> Int { Int(chunk.rawValue - plan.chunks.statistics.rawValue) }

    private mutating func discardPending() {
        for case .discard(let chunk, let nodes) in pending { discard(chunk, nodes) }
    }

    private mutating func discard(_ chunk: ChunkIndex, _ nodes: [TreeNode]) {
        if plan.carriesScalars(chunk) { return scalars[place(of: chunk)].discard(nodes) }
        if task?.hasVector == true { sums.discard(chunk: chunk, nodes: nodes) }
    }

    private mutating func carryOutPending(_ directives: inout [Directive]) {
        for directive in pending {
            switch directive {
            case .publish(let chunk, let round, let readers):
                // After a rollback there is no round until the next begins.
                if task != nil { directives.append(.publish(chunk: chunk, round: round, to: readers)) }
            case .reportReduced:
                directives.append(.reply(reduce()))
            case .accept, .drop, .discard, .rooted, .apply, .deliverStatistics, .capture, .reportCaptureMissed, .reportApplied:
                break
            }
        }
        pending.removeAll(keepingCapacity: true)
    }

    private static func doubles(_ payload: RawSpan) -> [Double] {
        (0..<payload.byteCount / 8).map { index in
            unsafe Double(bitPattern: UInt64(littleEndian: payload.unsafeLoadUnaligned(fromByteOffset: index * 8, as: UInt64.self)))
        }
    }
}

/// What the coordinator asks of a shard during a probe.
public enum ProbeShardOrder: Hashable, Sendable {
    /// Have the workers evaluate a task; a product's vector is the basis' last. Answered when the round is reduced.
    case begin(ProbeTask)
    /// Work on the Krylov basis of this version, which `measure` makes anew. Answered at once.
    case krylov(KrylovCommand, Step)
    /// Forget what the probe needed. Not answered.
    case end
}

/// What an order of a probe came to.
public enum ProbeShardReply: Hashable, Sendable {
    /// The rows of the round's network probe.
    case measured([DiagnosticRow])
    case productTaken
    case krylov([ChunkSums])
}

extension TrainingPlan {
    /// The cut of Krylov vectors, which is that of the parameters.
    var krylovLayout: KrylovLayout { KrylovLayout(network.layout, ranges: chunks.chunks.map(\.range)) }
}
