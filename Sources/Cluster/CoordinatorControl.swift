import ExperimentFile
import LinearAlgebra
import Logging
import ParameterServer
import Training
import Transport
import WireProtocol

/// What other threads tell the coordinator.
enum CoordinatorPost: Sendable {
    case shard(ShardNews)
    case processEnded(LocalProcesses.Ending)
    case stopRequested(reason: String)
    /// How many worker processes the coordinator's own has started.
    case localWorkers(Int)
    case snapshotEnded(version: Step?)
    case abort(ClusterError)
}

/// How a run's distributed part ended.
enum ClusterEnding: Sendable {
    case finished
    case interrupted(reason: String, step: Step, snapshot: Step?)
    case failed(ClusterError)
}

/// What the coordinator hands to its surroundings, from the control socket's thread.
struct CoordinatorOutlets: Sendable {
    var shard: @Sendable (ShardPost) -> Void
    var recorder: @Sendable (RecorderItem) -> Void
    var ended: @Sendable (ClusterEnding) -> Void
}

/// What every worker is told at hello.
struct RunAnnouncement: Sendable {
    var runName: String
    var experimentYAML: String
    /// Where the hosts of shards listen, the hub first.
    var dataEndpoints: [Endpoint]
    /// What processes of this host open their memory by.
    var memory: String
    var fingerprint: NumericFingerprint
    var dataDigest: String
    var layoutDigest: String
    var build: String
}

/// The shell of the coordinator: the control socket's thread, which owns the coordinator's machine.
struct CoordinatorControl: SocketHandler {
    struct Peer {
        var name: String
        var host: String
        var processID: Int
        var since: Instant
        var isReady = false
        /// Where other workers reach its data socket.
        var dataEndpoint = ""
        /// What processes of its host open its memory by.
        var memory = ""
    }

    let plan: TrainingPlan
    let announcement: RunAnnouncement
    let outlets: CoordinatorOutlets
    let log: Logger
    var machine: CoordinatorMachine
    var peers: [WorkerID: Peer] = [:]
    /// Names of those who said hello, and of everybody who ever joined.
    var names: [WorkerID: String] = [:]
    var everJoined: Set<WorkerID> = []
    /// Peers that may be between hello and ready at once.
    static let strangersMax = 1024
    private var directives: [CoordinatorMachine.Directive] = []
    var steps: StepAssembler
    let budget: DiagnosticsBudget
    /// The workers that host shards, on which timeline, chosen in which generation.
    private var toldPeers = MonotonicClock.now()
    private var placement: (hosts: [WorkerID], timeline: Timeline, generation: Generation)?
    /// The probe of the present version, while it runs, and since when its present diagnostic does.
    var probing: (programme: ProbeProgramme, since: Instant)?
    private var ending: ClusterEnding?
    /// Local worker processes that have not ended; nil when workers are started elsewhere.
    private var localWorkers: Int?
    private var knownProcesses: Set<Int> = []
    private var squaredNorms: [Double] = []
    var rejections = RejectionLog()
    private var failure: ClusterError?

    init(
        plan: TrainingPlan, version: Step, timeline: Timeline, announcement: RunAnnouncement, outlets: CoordinatorOutlets,
        budget: DiagnosticsBudget, log: Logger
    ) {
        self.plan = plan
        self.budget = budget
        self.announcement = announcement
        self.outlets = outlets
        self.log = log
        let (cluster, training) = (plan.experiment.cluster, plan.experiment.training)
        machine = CoordinatorMachine(
            .init(
                partitions: training.partitions, steps: training.steps, workersToStart: cluster.workers,
                placement: training.placement, hostsMax: plan.chunks.chunks.count, twoPhase: training.twoPhase, probes: plan.probes,
                deadlines: .init(
                    heartbeat: .seconds(cluster.heartbeatSeconds), liveness: .seconds(cluster.livenessSeconds),
                    join: .seconds(cluster.joinSeconds))),
            version: version, timeline: timeline, now: MonotonicClock.now())
        steps = StepAssembler(plan: plan)
    }

    mutating func ticked(at now: Instant, port: inout LoopPort) {
        handle(.ticked, port: &port)
        // Said again: what is lost with a connection would keep a newcomer out.
        if now - toldPeers > .seconds(5) {
            toldPeers = now
            tellPeers(port: &port)
        }
        forgetStrangers(now)
    }

    mutating func posted(_ post: CoordinatorPost, port: inout LoopPort) {
        switch post {
        case .shard(let news): hear(news, port: &port)
        case .processEnded(let ending): processEnded(ending, port: &port)
        case .stopRequested(let reason): handle(.stopRequested(reason: reason), port: &port)
        case .localWorkers(let count): localWorkers = (localWorkers ?? 0) + count
        case .snapshotEnded(let version): handle(.snapshotEnded(version: version), port: &port)
        case .abort(let error): finish(.failed(error), port: &port)
        }
    }

    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
        guard let peer = message.peer else { return }
        do {
            let control = try message.withPart(0) { bytes throws(ControlMessageError) in try ControlMessage.decode(bytes) }
            try answer(control, from: peer, port: &port)
        } catch { rejections.note("dropped a control message", peer: "\(peer)", reason: "\(error)", log) }
    }

    mutating func handle(_ event: CoordinatorMachine.Event, port: inout LoopPort) {
        machine.handle(event, at: MonotonicClock.now(), into: &directives)
        let todo = directives
        directives.removeAll(keepingCapacity: true)
        for directive in todo { carryOut(directive, port: &port) }
    }

    func send(_ message: ControlMessage, to worker: WorkerID, port: inout LoopPort) {
        do { try port.send(to: worker, try message.encoded()) } catch {
            log.error("cannot send a control message", metadata: ["worker": "\(worker)", "reason": "\(error)"])
        }
    }

    /// Says again to a worker that the run has ended; false while it goes on.
    func repeatEnding(to worker: WorkerID, port: inout LoopPort) -> Bool {
        guard let ending else { return false }
        send(.stop(ending.notice(step: machine.version)), to: worker, port: &port)
        return true
    }

    mutating func noteProcess(_ id: Int) { if localWorkers != nil { knownProcesses.insert(id) } }

    /// Forgets peers that said hello and never got ready.
    private mutating func forgetStrangers(_ now: Instant) {
        let patience = Duration.seconds(plan.experiment.cluster.joinSeconds)
        for (worker, peer) in peers where !peer.isReady && now - peer.since > patience { forget(worker) }
    }

    mutating func forget(_ worker: WorkerID) {
        peers[worker] = nil
        if !everJoined.contains(worker) { names[worker] = nil }
    }

    func name(of worker: WorkerID) -> String { names[worker] ?? "\(worker)" }
}

// MARK: - From the machine

extension CoordinatorControl {
    private mutating func carryOut(_ directive: CoordinatorMachine.Directive, port: inout LoopPort) {
        switch directive {
        case .assign(let worker, let assignment, let members):
            steps.begin(at: MonotonicClock.now())
            budget.begin()
            steps.workers = members
            // An assignment is said again when it was lost; so are the peers that it goes by.
            if let notice = peersNotice { send(.peers(notice), to: worker, port: &port) }
            send(.assignment(.init(assignment: assignment, members: members)), to: worker, port: &port)
        case .unsubscribe(let worker): outlets.shard(.unsubscribed(worker))
        case .judgeGradient(let step): judge(step, port: &port)
        case .probe(let version): startProbe(version, port: &port)
        case .allowApply(let step, let timeline):
            outlets.shard(.applyAllowed(step: step, timeline: timeline, clipScale: steps.clipScale(of: step)))
        case .recordMembership(let row):
            record(row)
            tellPeers(port: &port)
        case .warnWait(let wait): warn(wait)
        case .stepDone: steps.workers = machine.assignments.count
        case .expel(let worker):
            peers[worker] = nil
            send(.rejoin(.init(reason: "this coordinator does not count it as a member")), to: worker, port: &port)
        case .place(let hosts, let timeline, let generation):
            outlets.shard(.place(ShardMap(plan.chunks, hosts: hosts), timeline: timeline, generation: generation))
            placement = (hosts, timeline, generation)
            tellPeers(port: &port)
        case .requestSnapshot: outlets.shard(.captureRequested)
        case .rollBack(let timeline):
            abandonProbe()
            log.warning(
                plan.experiment.training.placement == .workers
                    ? "chunks of the present version are lost: back to the last snapshot"
                    : "nobody holds the present version any more: back to the last snapshot",
                metadata: ["step": "\(machine.version)", "timeline": "\(timeline.rawValue)"])
            outlets.recorder(.rollBack)
        case .end(let outcome): end(outcome, port: &port)
        }
    }

    private mutating func judge(_ step: Step, port: inout LoopPort) {
        do {
            try steps.judge(step, squaredNorms: squaredNorms)
            handle(.gradientAccepted(step: step), port: &port)
        } catch { handle(.gradientRefused(step: step, reason: "\(error)"), port: &port) }
    }

    private mutating func record(_ row: CoordinatorMachine.Membership) {
        let peer = peers[row.worker]
        log.info(
            "membership changed",
            metadata: [
                "worker": "\(name(of: row.worker))", "change": "\(row.change.rawValue)", "generation": "\(row.generation.rawValue)",
                "members": "\(row.members)", "step": "\(row.step)", "reason": "\(row.reason)",
            ])
        outlets.recorder(.membership(row, name: name(of: row.worker), host: peer?.host ?? ""))
        if row.change == .joined {
            outlets.shard(.admitted(row.worker, memory: peer?.memory ?? ""))
        } else {
            peers[row.worker] = nil
        }
    }

    /// Tells every member who the others are and where shards live; without effect while they live here.
    private func tellPeers(port: inout LoopPort) {
        guard let notice = peersNotice else { return }
        for member in notice.members { send(.peers(notice), to: member.id, port: &port) }
    }

    private var peersNotice: ControlMessage.Peers? {
        guard plan.experiment.training.placement == .workers else { return nil }
        let members = machine.assignments.compactMap { member in
            peers[member.worker].map {
                ControlMessage.Peers.Member(
                    id: member.worker, endpoint: $0.dataEndpoint, memory: $0.memory)
            }
        }
        return ControlMessage.Peers(
            timeline: placement?.timeline ?? machine.timeline, generation: placement?.generation ?? Generation(rawValue: 0),
            members: members, hosts: placement?.hosts ?? [])
    }

    private func warn(_ wait: CoordinatorMachine.Wait) {
        let waited = "\(Int(wait.waited.components.seconds)) s"
        switch wait.subject {
        case .workersToJoin(let present, let needed):
            log.warning(
                "still waiting for workers", metadata: ["present": "\(present)", "needed": "\(needed)", "waited": "\(waited)"])
        case .heartbeat(let worker):
            log.warning(
                "a worker is silent",
                metadata: ["worker": "\(name(of: worker))", "silent": "\(wait.waited)", "awaited": "heartbeat"])
            outlets.recorder(
                .event(step: machine.version, kind: "stalled", subject: name(of: worker), detail: "no heartbeat for \(wait.waited)")
            )
        case .probe(let version):
            log.warning("a probe takes long", metadata: ["version": "\(version)", "waited": "\(waited)"])
        case .shardsInPlace:
            let hosts = (placement?.hosts ?? []).map { name(of: $0) }
            log.warning(
                "still waiting for the shards to be put in place",
                metadata: ["waited": "\(waited)", "hosts": "\(hosts.joined(separator: ", "))"])
        case .snapshotInPlace: log.warning("still waiting for the snapshot to be put in place", metadata: ["waited": "\(waited)"])
        case .gradients(let step):
            let awaited = machine.assignments.filter { !$0.partitions.isEmpty }.map { "\(name(of: $0.worker)) \($0.partitions)" }
            log.warning(
                "a step takes long",
                metadata: ["step": "\(step)", "waited": "\(waited)", "assigned": "\(awaited.joined(separator: "; "))"])
        }
    }

    private mutating func end(_ outcome: CoordinatorMachine.Outcome, port: inout LoopPort) {
        switch outcome {
        case .finished: finish(.finished, port: &port)
        case .interrupted(let reason, let snapshot):
            finish(
                failure.map { .failed($0) } ?? .interrupted(reason: reason, step: machine.version, snapshot: snapshot), port: &port)
        case .failed(let cause): finish(.failed(failure ?? ClusterError(cause, names: names)), port: &port)
        }
    }

    private mutating func finish(_ ending: ClusterEnding, port: inout LoopPort) {
        if self.ending != nil { return }
        self.ending = ending
        abandonProbe()
        for (worker, peer) in peers where peer.isReady {
            send(.stop(ending.notice(step: machine.version)), to: worker, port: &port)
        }
        outlets.ended(ending)
    }
}

// MARK: - From the shard and the processes

extension CoordinatorControl {
    private mutating func hear(_ news: ShardNews, port: inout LoopPort) {
        switch news {
        case .reduced(let step, let norms):
            squaredNorms = norms
            handle(.shardReduced(step: step), port: &port)
        case .norms(let step, let norms):
            do { try steps.judge(step, squaredNorms: norms) } catch { log.warning("\(error)") }
            report(step)
        case .statistics(let step, let values, let counts):
            var shares: [String: Int] = [:]
            for (worker, count) in counts { shares[name(of: worker), default: 0] += count }
            steps.statistics(step, values, shares: shares)
            report(step)
        case .applied(let version):
            // The shard says so once when it is set up: its first version.
            if version > machine.version {
                steps.applied(version - 1, at: MonotonicClock.now())
                report(version - 1)
                handle(.shardApplied(version: version), port: &port)
            }
        case .restored(let version, let timeline):
            steps.startOver(at: MonotonicClock.now())
            outlets.recorder(.rolledBack(version: version, timeline: timeline))
            handle(.rolledBack(version: version, timeline: timeline), port: &port)
        case .probed(let reply, let timeline):
            if timeline == machine.timeline { continueProbe(reply, port: &port) }
        case .placed(let generation): handle(.placed(generation: generation), port: &port)
        case .hostFailed(let worker, let reason):
            handle(.left(worker, reason: reason), port: &port)
            peers[worker] = nil
            send(.rejoin(.init(reason: reason)), to: worker, port: &port)
        case .captured(let capture): outlets.recorder(.capture(capture))
        case .frameRejected(let worker, let reason, let count):
            log.warning(
                "dropped a data frame",
                metadata: ["peer": "\(name(of: worker))", "reason": "\(reason)", "dropped so far": "\(count)"])
        case .unreachable(let worker, let reason):
            let isMember = machine.assignments.contains { $0.worker == worker }
            if !isMember { return outlets.shard(.unsubscribed(worker)) }
            // Of a local worker its process tells what has become of it.
            if localWorkers == nil { handle(.left(worker, reason: reason), port: &port) }
        }
    }

    private mutating func report(_ step: Step) {
        if let done = steps.take(step) {
            outlets.recorder(.step(done.report, seconds: done.seconds, workers: done.workers, shares: done.shares))
        }
    }

    private mutating func processEnded(_ ending: LocalProcesses.Ending, port: inout LoopPort) {
        let id = Int(ending.processID)
        for (worker, peer) in peers where peer.processID == id && peer.isReady {
            handle(.left(worker, reason: "\(ending)"), port: &port)
            peers[worker] = nil
        }
        localWorkers = localWorkers.map { $0 - 1 }
        // A signal says nothing of what the others would meet; an exit of its own does.
        if !knownProcesses.contains(id), ending.signal == nil {
            failure = .workerEndedEarly(ending)
            handle(.stopRequested(reason: "\(ending)"), port: &port)
        } else if let localWorkers {
            handle(localWorkers == 0 ? .workersExhausted : .workersExpected(localWorkers), port: &port)
        }
    }
}
