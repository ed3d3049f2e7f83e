import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import Training

/// The shell of a worker.
extension Simulation {
    func tickWorker(_ slot: Int) throws {
        guard let worker = slots[slot].process else { return }
        if let unanswered = worker.unanswered { send(unanswered, from: slot) }
        if case .hello? = worker.unanswered { return }
        send(.heartbeat(worker.report, peers: worker.peers?.edition), from: slot)
        tickHost(slot)
        guard now - worker.waitingSince > Self.patience else { return }
        slots[slot].process?.waitingSince = now
        tickProbe(slot)
        try tell(slot, .waitedTooLong)
    }

    func receiveAtWorker(_ slot: Int, _ sender: WorkerID, _ message: Message) throws {
        switch message {
        case .welcome:
            guard case .hello? = slots[slot].process?.unanswered, let life = slots[slot].process?.life else { return }
            slots[slot].process?.unanswered = nil
            queue.add(.workerReady(slot: slot, life: life), at: now + dice.within(10_000...300_000))
        case .assignment(let assignment):
            slots[slot].process?.unanswered = nil
            // Without its timeline's map an assignment is of no use; it comes again when the next heartbeat shows that it was not taken.
            if placement == .workers && slots[slot].process?.peers?.edition.timeline != assignment.timeline {
                return reach("assignment without its map")
            }
            try tell(slot, .assigned(assignment))
            assignProbe(slot, assignment)
        case .rejoin: rejoin(slot)
        case .parameters(let chunk, let version, let timeline, let values):
            try tell(slot, .parametersArrived(chunk: chunk, version: version, timeline: timeline), values)
        case .probe(let chunk, let round, let timeline, let bytes): receiveProbe(slot, chunk, round, timeline, bytes)
        case .peers(let peers): try takePeers(slot, peers)
        case .hub(let order, let timeline): try takeOrder(slot, order, timeline)
        case .subscribe, .request, .push, .statistics:
            guard slots[slot].process?.peers?.members.contains(sender) == true else { return reach("frame of no member") }
            try receiveAtShard(slot, sender, message)
        case .hello, .ready, .leaving, .heartbeat, .synchronized, .probeSubscribe, .probeRequest, .probePush, .host: break
        }
    }

    /// Another life of the same process: nothing of the old one counts.
    private func rejoin(_ slot: Int) {
        guard let old = slots[slot].process else { return }
        slots[slot].process = SimulatedWorker(process: old.process, life: newLife(at: slot), problem: problem, now: now)
        send(.hello, from: slot)
    }

    func computed(_ slot: Int, _ life: WorkerID, _ step: Step, _ node: TreeNode) throws {
        guard let worker = slots[slot].process, worker.life == life, let work = worker.lane.first else { return }
        if work.isAbandoned {
            reach("abandoned computation")
            worker.lane.removeFirst()
            return startLane(slot)
        }
        guard let parameters = work.parameters ?? wholeVersion(step, worker) else {
            // The lane waits for chunks, and for nothing else.
            reach("lane at its gate")
            return queue.add(.computed(slot: slot, process: worker.process, life: life, step, node), at: now + Self.gateInterval)
        }
        worker.lane.removeFirst()
        if let order = work.probe {
            startLane(slot)
            return probed(slot, order, parameters: parameters)
        }
        worker.finished[SimulatedWorker.Key(step: step, node: node)] = computer.gradient(
            of: node, step: step, parameters: parameters.span)
        startLane(slot)
        // A backward pass ends with the first layer.
        for chunk in problem.plan.chunks.chunks.reversed() {
            try tell(slot, .chunkComputed(step: step, node: node, chunk: chunk.index))
        }
        try tell(slot, .computed(step: step, node: node))
    }

    func startLane(_ slot: Int) {
        guard let worker = slots[slot].process, let work = worker.lane.first else { return }
        let time = dice.within(Self.microbatchTime) * work.node.count
        queue.add(.computed(slot: slot, process: worker.process, life: worker.life, work.step, work.node), at: now + time)
    }

    private func tell(_ slot: Int, _ event: WorkerMachine.Event, _ values: [Float] = []) throws {
        var directives: [WorkerMachine.Directive] = []
        slots[slot].process?.machine.handle(event, into: &directives)
        for directive in directives { try carryOut(directive, slot, values) }
    }

    private func carryOut(_ directive: WorkerMachine.Directive, _ slot: Int, _ values: [Float]) throws {
        switch directive {
        case .subscribe(let version, let timeline):
            for host in map(slot)?.everybody ?? [.coordinator] {
                send(.subscribe(fromVersion: version, timeline), from: slot, to: host)
            }
        case .reportSynchronized: send(.synchronized, from: slot)
        case .store(let chunk, _):
            slots[slot].process?.waitingSince = now
            store(chunk, values, slot)
        case .drop: break
        case .advance(let version): try advance(slot, to: version)
        case .compute(let step, let node):
            guard let parameters = slots[slot].process?.current else { return }
            let isIdle = slots[slot].process?.lane.isEmpty ?? true
            let isAhead = step == slots[slot].process?.machine.incomingVersion
            if isAhead { reach("computation ahead of its version") }
            slots[slot].process?.lane.append(.init(step: step, node: node, parameters: isAhead ? nil : parameters))
            if isIdle { startLane(slot) }
        case .abandon(let step):
            guard let worker = slots[slot].process else { return }
            for index in worker.lane.indices where worker.lane[index].step == step && worker.lane[index].probe == nil {
                worker.lane[index].isAbandoned = true
            }
            worker.finished = worker.finished.filter { $0.key.step != step }
        case .push(let step, let node, let chunk, let timeline): push(slot, step, node, chunk, timeline)
        case .pushScalars(let step, let node, let timeline):
            let name = PushName(timeline: timeline, step: step, chunk: problem.plan.chunks.statistics, node: node)
            if let result = slots[slot].process?.finished[.init(step: step, node: node)] {
                send(.statistics(name, result.scalars.values), from: slot)
            }
        case .release(let step, let node):
            slots[slot].process?.finished[.init(step: step, node: node)] = nil
        case .requestParameters(let version, let chunks):
            for chunk in chunks { send(.request(version: version, chunk), from: slot, to: host(of: chunk, slot)) }
        }
    }

    /// The parameters of `step`, once every chunk of them is there.
    private func wholeVersion(_ step: Step, _ worker: SimulatedWorker) -> AlignedVector? {
        if worker.machine.version == step { return worker.current }
        guard worker.machine.incomingVersion == step else { return nil }
        let parameters = Int(problem.plan.chunks.statistics.rawValue)
        return worker.machine.arrivedPrefix >= parameters ? worker.incoming : nil
    }

    private func store(_ chunk: ChunkIndex, _ values: [Float], _ slot: Int) {
        if chunk == problem.plan.chunks.statistics { return }
        let range = problem.plan.chunks.chunks[Int(chunk.rawValue)].range
        if let worker = slots[slot].process { Self.write(values, to: range, of: &worker.incoming) }
    }

    private static func write(_ values: [Float], to range: Range<Int>, of vector: inout AlignedVector) {
        var span = vector.mutableSpan
        for (offset, index) in range.enumerated() { span[index] = values[offset] }
    }

    private func advance(_ slot: Int, to version: Step) throws {
        guard let worker = slots[slot].process else { return }
        guard version <= problem.steps, sameBits(worker.incoming, problem.states[Int(version)].parameters) else {
            throw violation("worker \(slot) holds version \(version) with other bits than the reference trainer's")
        }
        worker.current = worker.incoming
        for index in worker.lane.indices where worker.lane[index].step == version && worker.lane[index].parameters == nil {
            worker.lane[index].parameters = worker.current
        }
        holdProbe(slot, version)
        if let timeline = worker.machine.currentTimeline, version > reachedVersion(timeline) {
            throw violation("worker \(slot) holds version \(version) before every chunk has reached it")
        }
    }

    private func push(_ slot: Int, _ step: Step, _ node: TreeNode, _ chunk: ChunkIndex, _ timeline: Timeline) {
        guard let result = slots[slot].process?.finished[.init(step: step, node: node)] else { return }
        let values = problem.plan.chunks.chunks[Int(chunk.rawValue)].range.map { result.gradient.span[$0] }
        send(
            .push(PushName(timeline: timeline, step: step, chunk: chunk, node: node), values), from: slot, to: host(of: chunk, slot)
        )
    }

    private func map(_ slot: Int) -> ShardMap? { coordinatorMap ?? slots[slot].process?.map }

    private func host(of chunk: ChunkIndex, _ slot: Int) -> WorkerID { map(slot)?.host(of: chunk) ?? .coordinator }
}

/// Whether two vectors are the same bit for bit.
func sameBits(_ a: AlignedVector, _ b: AlignedVector, _ range: Range<Int>? = nil) -> Bool {
    guard a.count == b.count else { return false }
    for index in range ?? 0..<a.count where a.span[index].bitPattern != b.span[index].bitPattern { return false }
    return true
}
