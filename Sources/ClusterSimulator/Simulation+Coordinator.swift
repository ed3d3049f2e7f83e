import ExperimentFile
import LinearAlgebra
import ParameterServer
import RunStore
import ShardKernels
import Training

/// The shell of the coordinator: its control thread.
extension Simulation {
    func receive(_ envelope: Envelope) throws {
        let life = envelope.sender
        switch envelope.message {
        case .hello:
            if coordinator?.members[life] == nil { coordinator?.members[life] = (envelope.from, false) }
            send(.welcome, to: life)
        case .ready:
            guard let member = coordinator?.members[life], !member.isReady else { return }
            coordinator?.members[life]?.isReady = true
            try tell(.joined(life))
        case .heartbeat(let report, let edition):
            guard let member = coordinator?.members[life] else { return send(.rejoin, to: life) }
            // First who hosts what: an assignment is of no use without.
            if member.isReady { remindOfPeers(life, edition) }
            if member.isReady { try tell(.heard(life, report)) }
        case .synchronized: try tell(.synchronized(life))
        case .leaving: try tell(.left(life, reason: "asked to"))
        case .subscribe, .request, .push, .statistics:
            try receiveAtShard(Self.place(of: envelope.recipient), life, envelope.message)
        case .probeSubscribe, .probeRequest, .probePush: receiveProbe(life, envelope.message)
        case .host(let report, let timeline): try receiveAtHub(life, report, timeline)
        case .welcome, .rejoin, .peers, .assignment, .parameters, .probe, .hub: break
        }
    }

    func takePost(_ post: LocalPost) throws {
        switch post {
        case .toShard(let event, let clipScale): try order(event, clipScale)
        case .toHost(let place, let event, let clipScale, _): try order(event, clipScale, at: place)
        case .snapshotRequested: try askForCapture(coordinator?.ledger?.requestCapture())
        case .restoreShard(let version, let timeline, let state): try restoreShard(version, timeline, state)
        case .restoreHost(let place, let version, let timeline, let state): try restoreHost(place, version, timeline, state)
        case .report(let place, let report, let timeline): try receiveAtHub(hostID(at: place), report, timeline)
        case .place(let map, let timeline, let generation): try placeShards(map, timeline, generation)
        case .placed(let generation): try tell(.placed(generation: generation))
        case .reduced(let step, let norms):
            coordinator?.decided[step] = try StepDecision(
                plan: problem.plan, step: step, squaredNorms: problem.plan.needsNorms(at: step) ? norms : nil
            ).clipScale
            try tell(.shardReduced(step: step))
        case .statistics(let step, let values): try record(step, values)
        case .applied(let version): if version > coordinator?.machine.version ?? .max { try tell(.shardApplied(version: version)) }
        case .toProbe(let order, let timeline): carryOut(order, timeline)
        case .probed(let reply, let timeline): try continueProbe(reply, timeline)
        case .restored(let version, let timeline):
            coordinator?.isBetweenTimelines = false
            coordinator?.generationChangedAt = version
            try tell(.rolledBack(version: version, timeline: timeline))
        case .captured(let capture): self.post(.record(capture))
        case .unreachable(let worker): try tell(.left(worker, reason: "unreachable"))
        case .record(let capture): try save(capture)
        case .rollBack: try rollBack()
        case .snapshotEnded(let version): try tell(.snapshotEnded(version: version))
        }
    }

    func tell(_ event: CoordinatorMachine.Event) throws {
        var directives: [CoordinatorMachine.Directive] = []
        let (before, hosts) = (stage, coordinator?.machine.hosts ?? [])
        coordinator?.machine.handle(event, at: Instant(sinceStart: .microseconds(now)), into: &directives)
        for directive in directives {
            if case .recordMembership(let row) = directive, row.change != .joined, hosts.contains(row.worker) {
                reach("host lost while \(before)")
            }
            try carryOut(directive)
        }
    }

    /// What the coordinator is at, for a look at what a fault meets.
    private var stage: String {
        guard let machine = coordinator?.machine else { return "nobody is there" }
        return coordinator?.programme == nil ? machine.phaseName : machine.phaseName + ", probing"
    }

    private func carryOut(_ directive: CoordinatorMachine.Directive) throws {
        switch directive {
        case .assign(let worker, let assignment, _): send(.assignment(assignment), to: worker)
        case .probe(let version): try startProbe(version)
        case .unsubscribe(let worker): tellHosts(.unsubscribed(worker), clipScale: 1)
        case .judgeGradient(let step): try tell(.gradientAccepted(step: step))
        case .allowApply(let step, let timeline):
            let scale = coordinator?.decided.removeValue(forKey: step) ?? 1
            tellHosts(.applyAllowed(step: step, timeline: timeline), clipScale: scale)
        case .recordMembership(let row):
            try check(row)
            // The machine may be on the next timeline already, whose map there is none of yet.
            if let timeline = coordinator?.peers?.edition.timeline, timeline == coordinator?.machine.timeline {
                announcePeers(on: timeline)
            }
        case .warnWait(let wait):
            if case .gradients = wait.subject { reach("slow step") }
            if case .shardsInPlace = wait.subject { reach("slow placement") }
        case .stepDone(let version): try checkStep(version)
        case .expel(let worker):
            reach("expelled")
            coordinator?.members[worker] = nil
            send(.rejoin, to: worker)
        case .rollBack:
            coordinator?.isBetweenTimelines = true
            coordinator?.programme = nil
            coordinator?.peers = nil
            post(.rollBack)
        case .place(let hosts, let timeline, let generation): try place(hosts, timeline, generation)
        case .requestSnapshot: post(.snapshotRequested)
        case .end(let outcome): try end(outcome)
        }
    }

    private func end(_ outcome: CoordinatorMachine.Outcome) throws {
        switch outcome {
        case .finished: isFinished = true
        case .interrupted(_, let snapshot):
            reach(snapshot == nil ? "interrupted without a snapshot" : "interrupted with a snapshot")
            endCoordinator()
            let resumption = active.map { faults[$0] }.filter { if case .stop = $0.kind { true } else { false } }.map(\.end).max()
            queue.add(.startCoordinator, at: max(now, resumption ?? now) + 1_000)
        case .failed(let failure): throw violation("the run ends: \(failure)")
        }
    }

    /// Every thread that hosts shards learns of it.
    private func tellHosts(_ event: ShardMachine.Event, clipScale: Double) {
        post(.toShard(event, clipScale: clipScale))
        for place in otherPlaces { post(.toHost(place, event, clipScale: clipScale, isFromHub: false)) }
    }

    // MARK: Who hosts what

    private func place(_ hosts: [WorkerID], _ timeline: Timeline, _ generation: Generation) throws {
        guard placement == .workers else { throw violation("shards are placed on workers, but live with the coordinator") }
        guard maps[timeline] == nil else { throw violation("timeline \(timeline.rawValue) has two maps") }
        let map = ShardMap(problem.plan.chunks, hosts: hosts)
        maps[timeline] = map
        coordinator?.hosts = hosts
        post(.place(map, timeline, generation))
        announcePeers(on: timeline)
    }

    /// Tells everybody who takes part and hosts what, whenever either changes.
    private func announcePeers(on timeline: Timeline) {
        guard let coordinator else { return }
        let members = coordinator.machine.assignments.map(\.worker)
        let edition = Peers.Edition(timeline: timeline, generation: coordinator.machine.generation)
        let peers = Peers(edition: edition, members: members, hosts: coordinator.hosts)
        coordinator.peers = peers
        for member in members { send(.peers(peers), to: member) }
    }

    /// Says again what was lost on the way.
    private func remindOfPeers(_ worker: WorkerID, _ edition: Peers.Edition?) {
        guard let peers = coordinator?.peers, peers.edition != edition, peers.members.contains(worker) else { return }
        reach("peers told again")
        send(.peers(peers), to: worker)
    }
}
