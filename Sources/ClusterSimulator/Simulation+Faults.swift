import ParameterServer
import RunStore
import ShardKernels

extension Simulation {
    func begin(_ index: Int) throws {
        active.append(index)
        let fault = faults[index]
        switch fault.kind {
        case .network: disturbAll(until: fault.end + 2_000_000)
        case .cut(let worker, _, _): disturb(worker, until: fault.end + 2_000_000)
        case .partition: break
        case .pause(let worker): pauses[worker ?? -1, default: 0] += 1
        case .crash(let worker):
            down[worker ?? -1, default: 0] += 1
            if let worker { slots[worker].process = nil } else { endCoordinator() }
        case .crashOnDisk(let operations): if coordinator != nil { disk.operationsUntilCrash = operations }
        case .powerLoss:
            down[-1, default: 0] += 1
            endCoordinator()
            disk.powerLost(&dice)
        case .diskFull: disk.isFull = true
        case .damage: if disk.damageNewestSnapshot(&dice) { damagedVersions += 1 }
        case .leave(let worker):
            down[worker, default: 0] += 1
            if pauses[worker, default: 0] == 0 { send(.leaving, from: worker) }
            slots[worker].process = nil
        case .join:
            slots.append(WorkerSlot())
            // What goes wrong on the network already meets a newcomer too.
            for other in active {
                if case .network = faults[other].kind { disturb(slots.count - 1, until: faults[other].end + 2_000_000) }
            }
            startWorker(slots.count - 1)
        case .stop: if coordinator != nil && pauses[-1, default: 0] == 0 { try tell(.stopRequested(reason: "Ctrl-C")) }
        }
        if case .pause(let worker?) = fault.kind { disturb(worker, until: fault.end + 2_000_000) }
    }

    func end(_ index: Int) {
        active.removeAll { $0 == index }
        switch faults[index].kind {
        case .network, .cut, .partition, .crashOnDisk, .damage, .join: break
        case .pause(let worker):
            pauses[worker ?? -1, default: 0] -= 1
            if pauses[worker ?? -1] == 0 { wake(worker ?? -1) }
        case .crash(let worker): restart(worker ?? -1)
        case .powerLoss: restart(-1)
        case .leave(let worker): restart(worker)
        case .diskFull:
            disk.isFull = active.contains { if case .diskFull = faults[$0].kind { true } else { false } }
        case .stop: break
        }
    }

    private func disturb(_ slot: Int, until time: Int) {
        slots[slot].disturbedUntil = max(slots[slot].disturbedUntil, time)
    }

    private func disturbAll(until time: Int) { for slot in slots.indices { disturb(slot, until: time) } }

    private func restart(_ actor: Int) {
        down[actor, default: 0] -= 1
        guard down[actor] == 0 else { return }
        queue.add(actor < 0 ? .startCoordinator : .startWorker(slot: actor), at: now + 1_000)
    }

    // MARK: Processes

    /// The process is gone with everything in its memory.
    func endCoordinator() {
        coordinator = nil
        held[-1] = nil
        disk.processEnded()
    }

    func startCoordinator() throws {
        guard down[-1, default: 0] == 0, coordinator == nil, !isFinished else { return }
        if pauses[-1, default: 0] > 0 {
            return queue.add(.startCoordinator, at: now + 1_000_000)
        }
        snapshots.removeAbandoned()
        let (version, state) = try newestSnapshot()
        let timeline: UInt32
        do { timeline = try snapshots.beginTimeline() } catch {
            endCoordinator()
            return queue.add(.startCoordinator, at: now + 1_000_000)
        }
        try announce(timeline)
        if lastTimeline > 1 { reach(version == 0 ? "resumed from the beginning" : "resumed from a snapshot") }
        processes += 1
        coordinator = SimulatedCoordinator(
            process: processes, problem: problem, map: coordinatorMap, hostsMax: hostsMax, version: version,
            timeline: Timeline(rawValue: timeline), state: state,
            workersToStart: 1 + dice.below(workers), now: now)
        queue.add(.coordinatorTick(process: processes), at: now + 250_000)
        begin(Timeline(rawValue: timeline), at: version)
        for place in [-1] + otherPlaces {
            try tellShard(place, .restored(version: version, timeline: Timeline(rawValue: timeline)))
        }
    }

    func announce(_ timeline: UInt32) throws {
        guard timeline > lastTimeline else {
            throw violation("timeline \(timeline) begins after timeline \(lastTimeline) has been told")
        }
        lastTimeline = timeline
    }

    func startWorker(_ slot: Int) {
        guard down[slot, default: 0] == 0, slots[slot].process == nil else { return }
        processes += 1
        slots[slot].process = SimulatedWorker(process: processes, life: newLife(at: slot), problem: problem, now: now)
        send(.hello, from: slot)
        queue.add(.workerTick(slot: slot, process: processes), at: now + dice.below(Self.heartbeat))
    }

    func newLife(at slot: Int) -> WorkerID {
        lives += 1
        homes[WorkerID(rawValue: lives)] = slot
        return WorkerID(rawValue: lives)
    }
}
