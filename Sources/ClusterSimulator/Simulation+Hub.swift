import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import Training

/// The shell of the hub, the coordinator's first thread that hosts shards: it hears the reports of all hosts and gives the word.
extension Simulation {
    /// How long a host waits before it says something again, and the coordinator's host before it asks again.
    static let patience = 5_000_000

    /// What the control thread or a member's end asks of shards.
    func order(_ event: ShardMachine.Event, _ clipScale: Double) throws {
        guard let coordinator else { return }
        switch event {
        case .applyAllowed(let step, let timeline):
            guard timeline == coordinator.shard.machine.timeline else { return }
            coordinator.shard.clipScale = clipScale
            if placement == .workers {
                coordinator.allowed = (step, clipScale)
                for host in coordinator.hosts { send(.hub(.allowApply(step: step, clipScale: clipScale), timeline), to: host) }
            }
        case .unsubscribed(let worker): coordinator.probe.unsubscribe(worker)
        default: break
        }
        try tellShard(-1, event)
    }

    func restoreShard(_ version: Step, _ timeline: Timeline, _ state: OptimizerState) throws {
        guard let coordinator else { return }
        let plan = problem.plan
        coordinator.captures = CaptureAssembler(
            plan: plan.chunks, optimizer: plan.experiment.optimizer, elements: state.parameters.count)
        coordinator.captureTimelines = [:]
        (coordinator.allowed, coordinator.probed) = (nil, nil)
        coordinator.ledger = coordinatorMap.map { map in
            ShardLedger(map: map, plan: plan.chunks, version: version, captures: plan.captures)
        }
        (coordinator.normed, coordinator.copied) = ([], [])
        coordinator.base = (version, state)
        coordinator.probe.restart(timeline: timeline)
        begin(timeline, at: version)
        coordinator.restored = (version, timeline)
        coordinator.restoring = Set(otherPlaces)
        for place in otherPlaces { post(.restoreHost(place, version: version, timeline, state)) }
        try restoreHost(-1, version, timeline, state)
        tellRestored()
    }

    /// Nobody takes part in the timeline before it has begun on every thread.
    private func tellRestored() {
        guard let coordinator, let (version, timeline) = coordinator.restored, coordinator.restoring.isEmpty else { return }
        coordinator.restored = nil
        post(.restored(version: version, timeline))
    }

    func placeShards(_ map: ShardMap, _ timeline: Timeline, _ generation: Generation) throws {
        guard let coordinator, let base = coordinator.base, timeline == coordinator.shard.machine.timeline else { return }
        let plan = problem.plan
        coordinator.ledger = ShardLedger(
            map: map, plan: plan.chunks, version: base.version, captures: plan.captures, probes: plan.probes)
        coordinator.placing = generation
        try reported { $0.applied(.coordinator, coordinator.shard.machine.version) }
    }

    func receiveAtHub(_ host: WorkerID, _ report: HostReport, _ timeline: Timeline) throws {
        guard let coordinator, timeline == coordinator.shard.machine.timeline else { return reach("report of another timeline") }
        switch report {
        case .restored:
            reach("thread restored after the hub")
            coordinator.restoring.remove(Self.place(of: host))
            tellRestored()
        case .missing(let chunks):
            guard let base = coordinator.base else { return }
            for chunk in chunks { send(.hub(.install(chunk, version: base.version, base.state), timeline), to: host) }
        case .applied(let version):
            if !host.isCoordinators && isLacking(host, at: version) {
                reach("host let go for want of what it had sent")
                return post(.unreachable(host))
            }
            try reported { $0.applied(host, version) }
        case .reduced(let step, let norms):
            if coordinator.shard.machine.configuration.isHeld(step), let allowed = coordinator.allowed, step <= allowed.step {
                reach("allowance told again")
                return send(.hub(.allowApply(step: allowed.step, clipScale: allowed.clipScale), timeline), to: host)
            }
            let plan = problem.plan
            try reported { ledger in
                ledger.reduced(host, step: step, norms: norms) {
                    plan.needsNorms(at: step) ? plan.chunks.chunks[Int($0.rawValue)].segments.count : 0
                }
            }
        case .captured(let name, let sections):
            guard coordinator.ledger?.awaits(name.version, name.occasion) == true else { return reach("copy not awaited") }
            try put(name, timeline, sections)
        case .captureMissed(let target, let foremost):
            reach(host.isCoordinators ? "capture missed by a thread" : "capture missed")
            try askForCapture(coordinator.ledger?.captureMissed(target: target, foremost: foremost))
        }
    }

    /// Whether copies or norms that a host must have sent by now are not here: on a link that keeps its order they have been lost.
    private func isLacking(_ host: WorkerID, at version: Step) -> Bool {
        guard let coordinator, let ledger = coordinator.ledger, let map = maps[coordinator.shard.machine.timeline] else {
            return false
        }
        if ledger.missingNorms(of: host, before: version, needed: problem.plan.needsNorms) != nil { return true }
        let chunks = map.chunks(of: host)
        return ledger.missingCopies(through: version).contains { coordinator.captures.lacks(chunks, of: $0.version, $0.occasion) }
    }

    /// Takes a report, and tells the control thread what follows from it.
    func reported(_ report: (inout ShardLedger) -> Void) throws {
        guard let coordinator, var ledger = coordinator.ledger else { return }
        report(&ledger)
        while let news = ledger.news(needsNorms: problem.plan.needsNorms) {
            switch news {
            case .placed:
                coordinator.base = nil
                if let generation = coordinator.placing { post(.placed(generation)) }
            case .applied(let version): post(.applied(version: version))
            case .reduced(let step, let norms):
                guard norms.map(\.bitPattern) == problem.norms[Int(step)].map(\.bitPattern) else {
                    throw violation("the norms of step \(step) have other bits than the reference trainer's")
                }
                coordinator.normed.insert(step)
                if coordinator.shard.machine.configuration.isHeld(step) { post(.reduced(step: step, squaredNorms: norms)) }
            }
        }
        coordinator.ledger = ledger
    }

    func askForCapture(_ target: Step?) throws {
        guard let coordinator, let target else { return }
        coordinator.captures.forgetRequested(except: target)
        coordinator.captureTimelines = coordinator.captureTimelines.filter {
            $0.key.occasion != .requested || $0.key.version == target
        }
        coordinator.captureAskedAt = now
        for host in coordinator.hosts { send(.hub(.capture(target: target), coordinator.shard.machine.timeline), to: host) }
        guard placement == .coordinator else { return }
        for place in otherPlaces { post(.toHost(place, .captureRequested(version: target), clipScale: 1, isFromHub: true)) }
        try tellShard(-1, .captureRequested(version: target))
    }

    func tickHub() throws {
        guard let coordinator, let target = coordinator.ledger?.captureTarget, now - coordinator.captureAskedAt > Self.patience
        else { return }
        reach("capture asked for again")
        try askForCapture(target)
    }
}
