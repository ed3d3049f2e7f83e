import LinearAlgebra
import ParameterServer
import ShardKernels
import Training

/// The shell of a shard: at -1 with the coordinator's first thread, the hub, at -2 and below with its others, elsewhere with the worker of
/// that slot.
extension Simulation {
    func shard(at place: Int) -> SimulatedShard? {
        place < 0 ? coordinator?.shards[-1 - place] : slots[place].process?.host?.shard
    }

    static func place(of thread: WorkerID) -> Int { -1 - Int(thread.rawValue - WorkerID.coordinator.rawValue) }

    func hostID(at place: Int) -> WorkerID { WorkerID.coordinators(-place)[-1 - place] }

    /// Where the coordinator's hosts beyond the hub are.
    var otherPlaces: [Int] { (coordinatorMap?.hosts ?? []).map(Self.place).filter { $0 < -1 } }

    private func life(at place: Int) -> WorkerID? { place < 0 ? hostID(at: place) : slots[place].process?.life }

    /// What the coordinator, or the hub, asks of another of its threads.
    func order(_ event: ShardMachine.Event, _ clipScale: Double, at place: Int) throws {
        if case .applyAllowed(_, let timeline) = event {
            guard let shard = shard(at: place), timeline == shard.machine.timeline else { return }
            shard.clipScale = clipScale
        }
        try tellShard(place, event)
    }

    /// A thread of the coordinator's puts its chunks of a timeline's first version in place.
    func restoreHost(_ place: Int, _ version: Step, _ timeline: Timeline, _ state: OptimizerState) throws {
        guard let shard = shard(at: place) else { return }
        for chunk in shard.parameterChunks { shard.store.install(chunk, from: state) }
        (shard.clipScale, shard.normsGathered) = (1, 0)
        if place < -1 { post(.report(place, .restored, timeline)) }
        try tellShard(place, .restored(version: version, timeline: timeline))
    }

    /// A thread of the coordinator's tells the hub, which may be itself.
    private func report(_ place: Int, _ report: HostReport, _ timeline: Timeline) throws {
        guard place < 0 else { return sendToHub(place, report) }
        if place == -1 { try receiveAtHub(.coordinator, report, timeline) } else { post(.report(place, report, timeline)) }
    }

    /// What workers send to shards.
    func receiveAtShard(_ place: Int, _ sender: WorkerID, _ message: Message) throws {
        switch message {
        case .subscribe(let version, let timeline):
            if shard(at: place)?.machine.timeline == timeline { try tellShard(place, .subscribed(sender, fromVersion: version)) }
        case .request(let version, let chunk):
            try tellShard(place, .parametersRequested(sender, version: version, chunks: [chunk]))
        case .push(let name, let values): try tellShard(place, .pushed(name), values)
        case .statistics(let name, let values): try tellShard(place, .pushed(name), scalars: values)
        default: break
        }
    }

    func tellShard(_ place: Int, _ event: ShardMachine.Event, _ payload: [Float] = [], scalars: [Double] = []) throws {
        guard let shard = shard(at: place) else { return }
        var directives: [ShardMachine.Directive] = []
        shard.machine.handle(event, into: &directives)
        for directive in directives {
            guard case .accept(let chunk, let merging, let yields) = directive, case .pushed(let name) = event else {
                try carryOut(directive, place, shard)
                continue
            }
            try count(name, merging: merging, yields: yields, in: shard)
            if chunk == problem.plan.chunks.statistics {
                shard.statistics.accept(scalars, merging: merging, yields: yields)
            } else {
                unsafe shard.store.accept(chunk: chunk, payload: payload.span.bytes, merging: merging, yields: yields)
            }
        }
    }

    private func carryOut(_ directive: ShardMachine.Directive, _ place: Int, _ shard: SimulatedShard) throws {
        let (plan, statistics) = (problem.plan, problem.plan.chunks.statistics)
        switch directive {
        case .accept: throw violation("something else than a push was accepted")
        case .drop(_, let reason): reach("dropped push: \(reason.rawValue)")
        case .discard(let chunk, let nodes):
            reach("partial sums replaced")
            for node in nodes { shard.counted[Int(chunk.rawValue)][node] = nil }
            if chunk == statistics { shard.statistics.discard(nodes) } else { shard.store.discard(chunk: chunk, nodes: nodes) }
        case .rooted(let chunk, let step):
            guard plan.needsNorms(at: step) else { return }
            shard.norms[Int(chunk.rawValue)] = shard.store.squaredNorms(chunk: chunk, root: plan.tree.root)
            if shard.machine.configuration.isHeld(step) { return }
            shard.normsGathered += 1
            guard shard.normsGathered == shard.parameterChunks.count else { return }
            shard.normsGathered = 0
            try report(place, .reduced(step: step, squaredNorms: shard.reducedNorms), shard.machine.timeline)
        case .reportReduced(let step):
            if place >= 0 { return reportReduced(place, step) }
            let norms = plan.needsNorms(at: step) ? shard.reducedNorms : []
            try report(place, .reduced(step: step, squaredNorms: norms), shard.machine.timeline)
        case .apply(let chunk, let step): try apply(chunk, step, place, shard)
        case .deliverStatistics(let step):
            try countRoot(statistics, step, in: shard)
            post(.statistics(step: step, shard.statistics.take(root: plan.tree.root)))
        case .capture(let chunk, let version, let occasion):
            let name = CaptureName(chunk: chunk, version: version, occasion: occasion)
            let sections = shard.sections(of: name)
            try report(place, .captured(name, sections: sections), shard.machine.timeline)
        case .reportCaptureMissed(let target, let foremost):
            try report(place, .captureMissed(target: target, foremost: foremost), shard.machine.timeline)
        case .publish(let chunk, let version, let readers): publish(chunk, version, readers, place, shard)
        case .reportApplied(let version):
            if place >= 0 { return reportApplied(place, version) }
            try report(place, .applied(version: version), shard.machine.timeline)
        }
    }

    private func apply(_ chunk: ChunkIndex, _ step: Step, _ place: Int, _ shard: SimulatedShard) throws {
        try countRoot(chunk, step, in: shard)
        if let map = coordinatorMap ?? maps[shard.machine.timeline], map.host(of: chunk) != life(at: place) {
            throw violation("chunk \(chunk.rawValue) is applied where the map of its timeline does not have it")
        }
        shard.store.apply(chunk: chunk, step: step, clipScale: shard.clipScale, root: problem.plan.tree.root)
        let (range, reference) = (problem.plan.chunks.chunks[Int(chunk.rawValue)].range, problem.states[Int(step) + 1].parameters)
        guard zip(range, shard.section(0, of: chunk)).allSatisfy({ reference.span[$0].bitPattern == $1.bitPattern }) else {
            throw violation("chunk \(chunk.rawValue) has other bits than the reference trainer's after step \(step)")
        }
    }

    private func publish(
        _ chunk: ChunkIndex, _ version: Step, _ readers: [WorkerID], _ place: Int, _ shard: SimulatedShard
    ) {
        let values = chunk == problem.plan.chunks.statistics ? [] : shard.section(0, of: chunk)
        let message = Message.parameters(chunk, version, shard.machine.timeline, values)
        for reader in readers {
            if place < 0 { send(message, as: hostID(at: place), to: reader) } else { send(message, from: place, to: reader) }
        }
    }

    /// A chunk that was copied arrives where copies are put together.
    func put(_ name: CaptureName, _ timeline: Timeline, _ sections: [[Float]]) throws {
        guard let coordinator else { return }
        var whole = name
        whole.chunk = problem.plan.chunks.statistics
        coordinator.captureTimelines[whole, default: []].insert(timeline)
        var capture: Capture?
        for (section, values) in sections.enumerated() {
            capture = unsafe coordinator.captures.add(
                section, of: name.chunk, version: name.version, name.occasion, values.span.bytes)
        }
        guard let capture else { return }
        let timelines = coordinator.captureTimelines.removeValue(forKey: whole)
        guard timelines == [coordinator.shard.machine.timeline] else {
            throw violation("the copy of version \(name.version) is of timelines \(timelines ?? [])")
        }
        let reference = problem.states[Int(capture.version)]
        guard capture.isComplete ? sameState(capture.state, reference) : sameBits(capture.state.parameters, reference.parameters)
        else { throw violation("the copy of version \(name.version) does not hold the reference trainer's state") }
        if capture.isComplete && capture.version == problem.steps { coordinator.last = capture.state }
        if case .scheduled = capture.occasion { coordinator.copied.insert(capture.version) }
        if case .probed = capture.occasion {
            coordinator.probed = (capture.version, capture.state)
        } else {
            post(.captured(capture))
        }
        try reported { $0.captured(name.version, name.occasion) }
    }
}
