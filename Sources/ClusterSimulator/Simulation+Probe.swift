import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import SpectralDiagnostics
import Training

/// Probes in a simulated cluster: the shells of both sides, and the invariant that what is measured has the bits of one process.
extension Simulation {
    // MARK: Coordinator

    func startProbe(_ version: Step) throws {
        reach("probe")
        var programme = ProbeProgramme(
            plan: problem.plan, version: version, names: problem.plan.experiment.diagnostics.probes)
        let action = programme.start()
        coordinator?.programme = programme
        try carryOut(action)
    }

    func continueProbe(_ reply: ProbeShardReply, _ timeline: Timeline) throws {
        guard timeline == coordinator?.machine.timeline, let action = coordinator?.programme?.receive(reply) else { return }
        try carryOut(action)
    }

    private func carryOut(_ action: ProbeProgramme.Action) throws {
        guard let coordinator, let version = coordinator.programme?.version else { return }
        switch action {
        case .order(let order): post(.toProbe(order, coordinator.machine.timeline))
        case .measured(let name, let rows):
            guard rows == problem.probed[version]?[name] else {
                throw violation(
                    "the probe of version \(version) has measured other values of \(name.rawValue) than one process does")
            }
            guard let next = coordinator.programme?.goOn() else { return }
            try carryOut(next)
        case .finished:
            reach("probe finished")
            coordinator.programme = nil
            post(.toProbe(.end, coordinator.machine.timeline))
            try tell(.probed(version: version))
        }
    }

    // MARK: Shard

    func carryOut(_ order: ProbeShardOrder, _ timeline: Timeline) {
        guard let coordinator, timeline == coordinator.probe.timeline else { return }
        var directives: [ProbeShard.Directive] = []
        let state =
            placement == .workers ? coordinator.probed?.state : coordinator.shard.store.state(at: coordinator.shard.machine.version)
        guard let state else { return reach("probe without its copy") }
        let reply = coordinator.probe.carryOut(order, state: state, into: &directives)
        if let reply { post(.probed(reply, timeline)) }
        carryOut(directives)
    }

    func receiveProbe(_ worker: WorkerID, _ message: Message) {
        guard let coordinator else { return }
        var directives: [ProbeShard.Directive] = []
        switch message {
        case .probeSubscribe(let round, let timeline):
            if timeline == coordinator.probe.timeline { coordinator.probe.subscribe(worker, from: round, into: &directives) }
        case .probeRequest(let round, let chunk):
            coordinator.probe.request(worker, round: round, chunks: [chunk], into: &directives)
        case .probePush(let name, let bytes):
            guard name.step == coordinator.probe.round, name.timeline == coordinator.probe.timeline,
                coordinator.probe.expectedCount(of: name.chunk) != nil
            else { return reach("late push of a probe") }
            unsafe coordinator.probe.push(name, payload: bytes.span.bytes, into: &directives)
        default: break
        }
        carryOut(directives)
    }

    private func carryOut(_ directives: [ProbeShard.Directive]) {
        guard let coordinator else { return }
        for directive in directives {
            switch directive {
            case .publish(let chunk, let round, let readers):
                guard let task = coordinator.probe.task else { continue }
                let isTask = chunk == problem.plan.chunks.statistics
                let values = coordinator.probe.published
                let bytes =
                    isTask
                    ? Self.bytes(task.encoded) : Self.bytes(values.span.extracting(coordinator.probe.publishedRange(of: chunk)))
                for reader in readers { send(.probe(chunk, round, coordinator.probe.timeline, bytes), to: reader) }
            case .reply(let reply): post(.probed(reply, coordinator.probe.timeline))
            }
        }
    }

    // MARK: Worker

    func tickProbe(_ slot: Int) {
        var directives: [ProbeFollower.Directive] = []
        slots[slot].process?.probe.waitedTooLong(into: &directives)
        carryOut(directives, slot)
    }

    func assignProbe(_ slot: Int, _ assignment: Assignment) {
        var directives: [ProbeFollower.Directive] = []
        slots[slot].process?.probe.assign(assignment, into: &directives)
        slots[slot].process?.probe.hold(slots[slot].process?.machine.version, into: &directives)
        carryOut(directives, slot)
    }

    func holdProbe(_ slot: Int, _ version: Step) {
        var directives: [ProbeFollower.Directive] = []
        slots[slot].process?.probe.hold(version, into: &directives)
        carryOut(directives, slot)
    }

    func receiveProbe(_ slot: Int, _ chunk: ChunkIndex, _ round: Step, _ timeline: Timeline, _ bytes: [UInt8]) {
        var directives: [ProbeFollower.Directive] = []
        unsafe slots[slot].process?.probe.receive(
            chunk, round: round, timeline: timeline, payload: bytes.span.bytes, into: &directives)
        slots[slot].process?.waitingSince = now
        carryOut(directives, slot)
    }

    func probed(_ slot: Int, _ order: ProbeOrder, parameters: AlignedVector) {
        let (product, scalars) = prober.evaluate(order, parameters: parameters.span)
        slots[slot].process?.finishedProbes[order.node] = (order.round, product, scalars)
        var directives: [ProbeFollower.Directive] = []
        slots[slot].process?.probe.computed(round: order.round, node: order.node, into: &directives)
        carryOut(directives, slot)
    }

    private func carryOut(_ directives: [ProbeFollower.Directive], _ slot: Int) {
        for directive in directives {
            switch directive {
            case .subscribe(let round, let timeline): send(.probeSubscribe(fromRound: round, timeline), from: slot)
            case .request(let round, let chunks, _):
                for chunk in chunks { send(.probeRequest(round: round, chunk), from: slot) }
            case .compute(let order):
                guard let parameters = slots[slot].process?.current else { return }
                let isIdle = slots[slot].process?.lane.isEmpty ?? true
                slots[slot].process?.lane.append(
                    .init(step: order.round, node: order.node, parameters: parameters, probe: order))
                if isIdle { startLane(slot) }
            case .push(let round, let node, let timeline): pushProbe(slot, round, node, timeline)
            case .release(_, let node): slots[slot].process?.finishedProbes[node] = nil
            }
        }
    }

    private func pushProbe(_ slot: Int, _ round: Step, _ node: TreeNode, _ timeline: Timeline) {
        guard let result = slots[slot].process?.finishedProbes.removeValue(forKey: node) else { return }
        for chunk in problem.plan.chunks.chunks {
            let values = result.product.count == 0 ? [] : Self.bytes(result.product.span.extracting(chunk.range))
            send(.probePush(PushName(timeline: timeline, step: round, chunk: chunk.index, node: node), values), from: slot)
        }
        for chunk in problem.plan.probeFrames where problem.plan.carriesScalars(chunk) {
            let part = result.scalars[problem.plan.scalars(of: chunk, count: result.scalars.count)]
            send(
                .probePush(PushName(timeline: timeline, step: round, chunk: chunk, node: node), Self.bytes(Array(part))), from: slot
            )
        }
    }

    // MARK: Bytes

    private static func bytes(_ values: Span<Float>) -> [UInt8] {
        var bytes: [UInt8] = []
        for index in values.indices {
            for shift in stride(from: 0, to: 32, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: values[index].bitPattern >> UInt32(shift)))
            }
        }
        return bytes
    }

    private static func bytes(_ values: [Double]) -> [UInt8] {
        values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> UInt64($0 * 8)) } }
    }
}
