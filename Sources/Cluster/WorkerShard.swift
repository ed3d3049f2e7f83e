import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import Training
import Transport
import WireProtocol

/// What a worker's shard wants done by the thread that owns it.
enum WorkerShardEffect {
    /// Version `version` of `chunk` lies in the versions' memory: send it.
    case publish(chunk: ChunkIndex, version: Step, to: [WorkerID])
    /// All chunks have reached `version`.
    case applied(version: Step)
    case norms(step: Step, isHeld: Bool, [Double])
    /// Send the chunk's sections to the coordinator.
    case capture(chunk: ChunkIndex, version: Step, CaptureOccasion)
    case captureMissed(target: Step, foremost: Step)
}

/// The shard that a worker hosts on one timeline: its machine and its numbers, once they are installed.
///
/// A reference, so that nobody copies its arrays by accident; it belongs to the data loop's thread.
final class WorkerShard {
    let plan: TrainingPlan
    let timeline: Timeline
    /// Of the map that this shard is of.
    let generation: Generation
    private let memory: ExchangeMemory
    private(set) var store: ShardStore
    private var machine: ShardMachine
    private var norms: NormCollector
    private var clipScale = 1.0
    /// Spent in applying since it was last asked for.
    private var applyTime: Duration = .zero
    /// The sections that have not been installed, by chunk; nil once all are.
    private var missing: [ChunkIndex: Set<Int>]?
    private var directives: [ShardMachine.Directive] = []
    /// What was reported last, to be said again when nothing follows from it.
    private var reported: (applied: Step?, norms: (step: Step, values: [Double])?) = (nil, nil)
    var effects: [WorkerShardEffect] = []

    init(plan: TrainingPlan, chunks: [ChunkIndex], timeline: Timeline, generation: Generation, memory: ExchangeMemory) {
        (self.plan, self.timeline, self.generation) = (plan, timeline, generation)
        self.memory = memory
        store = ShardStore(plan: plan.chunks, update: plan.update, versions: memory.versions)
        let training = plan.experiment.training
        machine = ShardMachine(
            .init(
                tree: plan.tree, chunks: chunks, statistics: plan.chunks.statistics, steps: training.steps,
                twoPhase: training.twoPhase, captures: plan.captures, probes: plan.probes, copiesProbed: true),
            timeline: timeline)
        norms = NormCollector(chunks: chunks)
        missing = Dictionary(uniqueKeysWithValues: chunks.map { [sections = store.sectionCount] in ($0, Set(0..<sections)) })
    }

    var isInstalled: Bool { missing == nil }

    func hosts(_ chunk: ChunkIndex) -> Bool { machine.configuration.chunks.contains(chunk) }

    /// Puts one section of a chunk of the timeline's first version in place; the last one starts the shard.
    func install(_ section: Int, of chunk: ChunkIndex, version: Step, _ payload: RawSpan) {
        guard missing?[chunk]?.remove(section) != nil else { return }
        memory.willWrite(chunk, version)
        memory.willWrite(chunk, version + 1)
        store.install(section, of: chunk, payload)
        if missing?[chunk]?.isEmpty == true { missing?[chunk] = nil }
        guard missing?.isEmpty == true else { return }
        missing = nil
        for chunk in machine.configuration.chunks { memory.didWrite(chunk, version, timeline) }
        handle(.restored(version: version, timeline: timeline))
    }

    func handle(_ event: ShardMachine.Event) {
        guard isInstalled else { return }
        machine.handle(event, into: &directives)
        for directive in directives { carryOut(directive) }
        directives.removeAll(keepingCapacity: true)
    }

    /// A pushed value, to be read where it lies.
    func push(_ name: PushName, _ value: BorrowedFloats) {
        guard isInstalled else { return }
        machine.handle(.pushed(name), into: &directives)
        for directive in directives {
            if case .accept(let chunk, let merging, let yields) = directive {
                store.accept(chunk: chunk, borrowing: value, merging: merging, yields: yields)
            } else {
                carryOut(directive)
            }
        }
        directives.removeAll(keepingCapacity: true)
    }

    func takeApplyTime() -> Duration {
        defer { applyTime = .zero }
        return applyTime
    }

    func allow(step: Step, clipScale: Double) {
        self.clipScale = clipScale
        handle(.applyAllowed(step: step, timeline: timeline))
    }

    /// Says again what nothing has followed from.
    func repeatReports() {
        if let version = reported.applied { effects.append(.applied(version: version)) }
        if let norms = reported.norms { effects.append(.norms(step: norms.step, isHeld: true, norms.values)) }
    }

    private func carryOut(_ directive: ShardMachine.Directive) {
        switch directive {
        case .accept: preconditionFailure("only a push is accepted")
        case .deliverStatistics: preconditionFailure("statistics live with the coordinator")
        case .drop: break
        case .discard(let chunk, let nodes): store.discard(chunk: chunk, nodes: nodes)
        case .rooted(let chunk, let step): collectNorms(chunk, step)
        case .reportReduced(let step):
            let values = norms.take()
            reported.norms = (step, values)
            effects.append(.norms(step: step, isHeld: true, values))
        case .apply(let chunk, let step):
            let start = MonotonicClock.now()
            memory.willWrite(chunk, step + 1)
            store.apply(chunk: chunk, step: step, clipScale: clipScale, root: plan.tree.root)
            applyTime += MonotonicClock.now() - start
            memory.didWrite(chunk, step + 1, timeline)
        case .capture(let chunk, let version, let occasion): effects.append(.capture(chunk: chunk, version: version, occasion))
        case .reportCaptureMissed(let target, let foremost): effects.append(.captureMissed(target: target, foremost: foremost))
        case .publish(let chunk, let version, let readers):
            effects.append(.publish(chunk: chunk, version: version, to: readers))
        case .reportApplied(let version):
            reported = (version, nil)
            effects.append(.applied(version: version))
        }
    }

    private func collectNorms(_ chunk: ChunkIndex, _ step: Step) {
        guard plan.needsNorms(at: step) else { return }
        norms.set(store.squaredNorms(chunk: chunk, root: plan.tree.root), of: chunk)
        if !machine.configuration.isHeld(step) && norms.isComplete {
            effects.append(.norms(step: step, isHeld: false, norms.take()))
        }
    }
}
