import LinearAlgebra
import ParameterServer
import ShardKernels

/// A coordinator, a shard and workers in one process: the very machines, real numbers, and a seeded network that delays at will but
/// keeps each link's order.
struct MachineCluster {
    enum Message {
        case toCoordinator(CoordinatorMachine.Event)
        case assignment(WorkerID, Assignment)
        case subscribe(WorkerID, Step)
        case push(PushName, [Float])
        case statistics(PushName, [Double])
        case parameters(WorkerID, ChunkIndex, Step, Timeline, [Float])
        case allowApply(Step, Timeline)
        case request(WorkerID, Step, [ChunkIndex])
    }

    /// What may be in flight together keeps its order; different links do not.
    struct Link: Hashable {
        var from: UInt64
        var to: UInt64
        var control: Bool
    }

    struct Worker {
        var machine: WorkerMachine
        var parameters: [Float]
        var incoming: [Float]
        var pending: [(step: Step, node: TreeNode)] = []
    }

    let problem: ToyProblem
    var coordinator: CoordinatorMachine
    var shard: ShardMachine
    var store: ShardStore
    var statistics = StatisticsReducer()
    var workers: [WorkerID: Worker] = [:]
    var links: [(link: Link, queue: [Message])] = []
    var random: UInt64
    var lossSums: [Double] = []
    var outcome: CoordinatorMachine.Outcome?
    var clipScale = 1.0
    var computedMicrobatches = 0

    init(_ problem: ToyProblem, seed: UInt64, workersToStart: Int) {
        self.problem = problem
        random = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        coordinator = CoordinatorMachine(
            .init(
                partitions: problem.partitions, steps: problem.steps, workersToStart: workersToStart, twoPhase: problem.clip != nil),
            now: Instant(sinceStart: .zero))
        let plan = problem.plan
        shard = ShardMachine(
            .init(
                tree: problem.tree, chunks: (0..<UInt32(plan.frameCount)).map(ChunkIndex.init(rawValue:)),
                statistics: plan.statistics, steps: problem.steps, twoPhase: problem.clip != nil,
                captures: CaptureSchedule(parametersEvery: [], completeEvery: 0, last: problem.steps)))
        store = ShardStore(plan: plan, update: problem.update, state: problem.initialState())
    }

    mutating func draw(_ bound: Int) -> Int {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        return Int(random >> 11) % bound
    }

    mutating func send(_ message: Message, from: UInt64, to: UInt64, control: Bool) {
        let link = Link(from: from, to: to, control: control)
        if let index = links.firstIndex(where: { $0.link == link }) {
            links[index].queue.append(message)
        } else {
            links.append((link, [message]))
        }
    }

    mutating func join(_ id: WorkerID) {
        let count = problem.initialState().parameters.count
        workers[id] = Worker(
            machine: WorkerMachine(tree: problem.tree, frameCount: problem.plan.frameCount, steps: problem.steps),
            parameters: Array(repeating: .nan, count: count), incoming: Array(repeating: .nan, count: count))
        send(.toCoordinator(.joined(id)), from: id.rawValue, to: 0, control: true)
    }

    /// The worker is gone with everything it had in flight on its links to others, or none of it: half of its queue still arrives.
    mutating func kill(_ id: WorkerID) {
        workers[id] = nil
        for index in links.indices where links[index].link.from == id.rawValue {
            let kept = links[index].queue.count / 2
            links[index].queue.removeLast(links[index].queue.count - kept)
        }
        links.removeAll { $0.link.to == id.rawValue }
        send(.toCoordinator(.left(id, reason: "killed")), from: id.rawValue, to: 0, control: true)
    }

    /// Delivers one message or finishes one computation; false when nothing is left to do.
    mutating func turn() -> Bool {
        links.removeAll { $0.queue.isEmpty }
        let busy = workers.keys.sorted().filter { !(workers[$0]?.pending.isEmpty ?? true) }
        let choices = links.count + busy.count
        if choices == 0 || outcome != nil { return false }
        let choice = draw(choices)
        if choice < links.count {
            deliver(links[choice].queue.removeFirst())
        } else {
            compute(busy[choice - links.count])
        }
        return true
    }

    mutating func deliver(_ message: Message) {
        switch message {
        case .toCoordinator(let event): tell(event)
        case .assignment(let id, let assignment): tell(id, .assigned(assignment))
        case .subscribe(let id, let version): tellShard(.subscribed(id, fromVersion: version), payload: nil)
        case .push(let name, let values): tellShard(.pushed(name), payload: values)
        case .statistics(let name, let values): tellShard(.pushed(name), payload: nil, scalars: values)
        case .parameters(let id, let chunk, let version, let timeline, let values):
            tell(id, .parametersArrived(chunk: chunk, version: version, timeline: timeline), values: values)
        case .allowApply(let step, let timeline): tellShard(.applyAllowed(step: step, timeline: timeline), payload: nil)
        case .request(let id, let version, let chunks):
            tellShard(.parametersRequested(id, version: version, chunks: chunks), payload: nil)
        }
    }

    mutating func tell(_ event: CoordinatorMachine.Event) {
        var directives: [CoordinatorMachine.Directive] = []
        coordinator.handle(event, at: Instant(sinceStart: .zero), into: &directives)
        for directive in directives {
            switch directive {
            case .assign(let id, let assignment, _):
                if workers[id] != nil { send(.assignment(id, assignment), from: 0, to: id.rawValue, control: true) }
            case .unsubscribe(let id): tellShard(.unsubscribed(id), payload: nil)
            case .judgeGradient(let step): judge(step)
            case .allowApply(let step, let timeline): send(.allowApply(step, timeline), from: 0, to: 0, control: true)
            case .end(let outcome): self.outcome = outcome
            case .recordMembership, .warnWait, .stepDone, .expel, .rollBack, .requestSnapshot, .probe, .place: break
            }
        }
    }

    mutating func judge(_ step: Step) {
        var squared = 0.0
        for chunk in problem.plan.chunks {
            for norm in store.squaredNorms(chunk: chunk.index, root: problem.tree.root) { squared += norm }
        }
        clipScale = problem.update.clipScale(squaredNorm: squared, bound: problem.clip)
        tell(squared.isFinite ? .gradientAccepted(step: step) : .gradientRefused(step: step, reason: "not finite"))
    }

    mutating func tellShard(_ event: ShardMachine.Event, payload: [Float]?, scalars: [Double] = []) {
        var directives: [ShardMachine.Directive] = []
        shard.handle(event, into: &directives)
        for directive in directives {
            switch directive {
            case .accept(let chunk, let merging, let yields) where chunk == problem.plan.statistics:
                statistics.accept(scalars, merging: merging, yields: yields)
            case .accept(let chunk, let merging, let yields):
                guard let payload else { preconditionFailure("a push has a payload") }
                unsafe store.accept(chunk: chunk, payload: payload.span.bytes, merging: merging, yields: yields)
            case .discard(let chunk, let nodes):
                if chunk == problem.plan.statistics { statistics.discard(nodes) } else { store.discard(chunk: chunk, nodes: nodes) }
            case .apply(let chunk, let step): store.apply(chunk: chunk, step: step, clipScale: clipScale, root: problem.tree.root)
            case .reportReduced(let step): send(.toCoordinator(.shardReduced(step: step)), from: 0, to: 0, control: true)
            case .reportApplied(let version): send(.toCoordinator(.shardApplied(version: version)), from: 0, to: 0, control: true)
            case .deliverStatistics: lossSums.append(statistics.take(root: problem.tree.root)[0])
            case .publish(let chunk, let version, let readers): publish(chunk, version, readers)
            case .drop, .rooted, .capture, .reportCaptureMissed: break
            }
        }
    }

    mutating func publish(_ chunk: ChunkIndex, _ version: Step, _ readers: [WorkerID]) {
        var values: [Float] = []
        if chunk != problem.plan.statistics {
            let parameters = store.state.parameters
            for index in problem.plan.chunks[Int(chunk.rawValue)].range { values.append(parameters.span[index]) }
        }
        for reader in readers where workers[reader] != nil {
            send(.parameters(reader, chunk, version, shard.timeline, values), from: 0, to: reader.rawValue, control: false)
        }
    }

    mutating func tell(_ id: WorkerID, _ event: WorkerMachine.Event, values: [Float] = []) {
        guard workers[id] != nil else { return }
        var directives: [WorkerMachine.Directive] = []
        workers[id]!.machine.handle(event, into: &directives)
        for directive in directives {
            switch directive {
            case .subscribe(let version, _): send(.subscribe(id, version), from: id.rawValue, to: 0, control: false)
            case .store(let chunk, _):
                if chunk == problem.plan.statistics { continue }
                for (offset, index) in problem.plan.chunks[Int(chunk.rawValue)].range.enumerated() {
                    workers[id]!.incoming[index] = values[offset]
                }
            case .reportSynchronized: send(.toCoordinator(.synchronized(id)), from: id.rawValue, to: 0, control: true)
            case .advance: workers[id]!.parameters = workers[id]!.incoming
            case .compute(let step, let node): workers[id]!.pending.append((step, node))
            case .abandon: preconditionFailure("no version is begun ahead here")
            case .push(let step, let node, let chunk, let timeline): push(id, step, node, chunk, timeline)
            case .pushScalars(let step, let node, let timeline): pushScalars(id, step, node, timeline)
            case .requestParameters(let version, let chunks):
                send(.request(id, version, chunks), from: id.rawValue, to: 0, control: false)
            case .drop, .release: break
            }
        }
    }

    mutating func compute(_ id: WorkerID) {
        guard let item = workers[id]?.pending.removeFirst() else { return }
        computedMicrobatches += item.node.count
        for chunk in problem.plan.chunks.reversed() {
            tell(id, .chunkComputed(step: item.step, node: item.node, chunk: chunk.index))
        }
        tell(id, .computed(step: item.step, node: item.node))
    }

    mutating func push(_ id: WorkerID, _ step: Step, _ node: TreeNode, _ chunk: ChunkIndex, _ timeline: Timeline) {
        guard let parameters = workers[id]?.parameters else { return }
        let (gradient, _) = problem.sum(node, step: step, parameters: parameters)
        let name = PushName(timeline: timeline, step: step, chunk: chunk, node: node)
        let values = Array(gradient[problem.plan.chunks[Int(chunk.rawValue)].range])
        send(.push(name, values), from: id.rawValue, to: 0, control: false)
    }

    mutating func pushScalars(_ id: WorkerID, _ step: Step, _ node: TreeNode, _ timeline: Timeline) {
        guard let parameters = workers[id]?.parameters else { return }
        let (_, loss) = problem.sum(node, step: step, parameters: parameters)
        let name = PushName(timeline: timeline, step: step, chunk: problem.plan.statistics, node: node)
        send(.statistics(name, [loss]), from: id.rawValue, to: 0, control: false)
    }
}
