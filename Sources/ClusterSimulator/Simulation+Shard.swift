import LinearAlgebra
import ParameterServer
import ShardKernels
import Training

/// The shell of a shard: at -1 with the coordinator, elsewhere with the worker of that slot.
extension Simulation {
    func shard(at place: Int) -> SimulatedShard? { place < 0 ? coordinator?.shard : slots[place].process?.host?.shard }

    private func life(at place: Int) -> WorkerID? { place < 0 ? .coordinator : slots[place].process?.life }

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
            if place < 0 || shard.machine.configuration.isHeld(step) { return }
            shard.normsGathered += 1
            guard shard.normsGathered == shard.machine.configuration.chunks.count else { return }
            shard.normsGathered = 0
            sendToHub(place, .reduced(step: step, squaredNorms: shard.reducedNorms))
        case .reportReduced(let step):
            if place < 0 { post(.reduced(step: step, squaredNorms: shard.reducedNorms)) } else { reportReduced(place, step) }
        case .apply(let chunk, let step): try apply(chunk, step, place, shard)
        case .deliverStatistics(let step):
            try countRoot(statistics, step, in: shard)
            post(.statistics(step: step, shard.statistics.take(root: plan.tree.root)))
        case .capture(let chunk, let version, let occasion):
            let name = CaptureName(chunk: chunk, version: version, occasion: occasion)
            let sections = shard.sections(of: name)
            if place < 0 {
                try put(name, shard.machine.timeline, sections)
            } else {
                sendToHub(place, .captured(name, sections: sections))
            }
        case .reportCaptureMissed(let target, let foremost):
            if place < 0 { throw violation("the only host misses no capture") }
            sendToHub(place, .captureMissed(target: target, foremost: foremost))
        case .publish(let chunk, let version, let readers): publish(chunk, version, readers, place, shard)
        case .reportApplied(let version):
            if place >= 0 {
                reportApplied(place, version)
            } else if placement == .workers {
                try reported { $0.applied(.coordinator, version) }
            } else {
                post(.applied(version: version))
            }
        }
    }

    private func apply(_ chunk: ChunkIndex, _ step: Step, _ place: Int, _ shard: SimulatedShard) throws {
        try countRoot(chunk, step, in: shard)
        if let map = maps[shard.machine.timeline], map.host(of: chunk) != life(at: place) {
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
            if place < 0 { send(message, to: reader) } else { send(message, from: place, to: reader) }
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
        if placement == .workers { try reported { $0.captured(name.version, name.occasion) } }
    }
}
