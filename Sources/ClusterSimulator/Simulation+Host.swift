import ParameterServer
import ShardKernels
import Training

/// The shell of a worker as a host of shards.
extension Simulation {
    /// Learns who takes part; a new timeline's map puts an end to the shard of the old one.
    func takePeers(_ slot: Int, _ peers: Peers) throws {
        guard let worker = slots[slot].process else { return }
        let known = worker.peers?.edition
        if let known, known.timeline > peers.edition.timeline { return }
        let isNew = known?.timeline != peers.edition.timeline
        if let known, !isNew, known.generation >= peers.edition.generation { return }
        let before = worker.peers?.members ?? []
        worker.peers = peers
        worker.unanswered = nil
        if !isNew {
            for gone in before where !peers.members.contains(gone) { try tellShard(slot, .unsubscribed(gone)) }
            return
        }
        let map = ShardMap(problem.plan.chunks, hosts: peers.hosts)
        (worker.map, worker.host) = (map, nil)
        guard peers.hosts.contains(worker.life) else { return }
        let host = SimulatedHost(
            timeline: peers.edition.timeline, chunks: map.chunks(of: worker.life), problem: problem, now: now)
        worker.host = host
        // More workers than chunks: the map leaves some out.
        if !host.chunks.isEmpty { sendToHub(slot, .missing(host.missing)) }
    }

    func sendToHub(_ slot: Int, _ report: HostReport) {
        if let host = slots[slot].process?.host { send(.host(report, host.timeline), from: slot) }
    }

    func takeOrder(_ slot: Int, _ order: HubOrder, _ timeline: Timeline) throws {
        guard let host = slots[slot].process?.host, host.timeline == timeline else { return reach("order of another timeline") }
        switch order {
        case .install(let chunk, let version, let state): try install(slot, host, chunk, version, state)
        case .allowApply(let step, let clipScale):
            guard let shard = host.shard, shard.machine.version == step else { return }
            shard.clipScale = clipScale
            try tellShard(slot, .applyAllowed(step: step, timeline: timeline))
        case .capture(let target): try tellShard(slot, .captureRequested(version: target))
        }
    }

    private func install(_ slot: Int, _ host: SimulatedHost, _ chunk: ChunkIndex, _ version: Step, _ state: OptimizerState) throws {
        guard let place = host.missing.firstIndex(of: chunk) else { return }
        host.missing.remove(at: place)
        host.waitingSince = now
        host.store.install(chunk, from: state)
        guard host.missing.isEmpty else { return }
        host.shard = SimulatedShard(
            problem: problem, chunks: host.chunks, copiesProbed: true, timeline: host.timeline, store: host.store)
        try tellShard(slot, .restored(version: version, timeline: host.timeline))
    }

    func reportApplied(_ slot: Int, _ version: Step) {
        guard let host = slots[slot].process?.host else { return }
        (host.applied, host.reduced, host.waitingSince) = (version, nil, now)
        sendToHub(slot, .applied(version: version))
    }

    func reportReduced(_ slot: Int, _ step: Step) {
        guard let host = slots[slot].process?.host, let norms = host.shard?.reducedNorms else { return }
        let values = problem.plan.needsNorms(at: step) ? norms : []
        (host.reduced, host.waitingSince) = ((step, values), now)
        sendToHub(slot, .reduced(step: step, squaredNorms: values))
    }

    /// Says again what nothing has come of.
    func tickHost(_ slot: Int) {
        guard let host = slots[slot].process?.host else { return }
        guard now - host.waitingSince > Self.patience else { return }
        host.waitingSince = now
        if !host.missing.isEmpty {
            reach("chunks asked for again")
            return sendToHub(slot, .missing(host.missing))
        }
        if let version = host.applied { sendToHub(slot, .applied(version: version)) }
        if let (step, norms) = host.reduced { sendToHub(slot, .reduced(step: step, squaredNorms: norms)) }
    }
}
