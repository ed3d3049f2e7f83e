/// The protocol of the coordinator: membership, assignment, the step's two phases, deadlines and the end of the run.
///
/// It never computes and never waits; the shell feeds it events with the time at which they happened and carries out its directives.
public struct CoordinatorMachine: Sendable {
    /// What the coordinator must know; a function of the experiment and the command line.
    public struct Configuration: Sendable {
        public var partitions: Int
        public var steps: Step
        /// Training starts when this many workers have joined.
        public var workersToStart: Int
        /// Processes that host shards: the parameters' and the statistics' reports are counted per host.
        public var shardHosts: Int
        public var twoPhase: Bool
        public var deadlines: Deadlines

        public init(
            partitions: Int, steps: Step, workersToStart: Int, shardHosts: Int = 1, twoPhase: Bool, deadlines: Deadlines = .init()
        ) {
            precondition(
                partitions >= 1 && workersToStart >= 1 && shardHosts >= 1, "a run has partitions, workers and a shard host")
            self.partitions = partitions
            self.steps = steps
            self.workersToStart = workersToStart
            self.shardHosts = shardHosts
            self.twoPhase = twoPhase
            self.deadlines = deadlines
        }
    }

    /// How long the coordinator waits, and for what.
    public struct Deadlines: Hashable, Sendable {
        /// The period of heartbeats; a gap between two ticks longer than this means that this process was stopped.
        public var heartbeat: Duration
        /// A worker that was silent for this long is lost.
        public var liveness: Duration
        /// The least time that a step may take before the run names whom it waits for; ten median steps if that is longer.
        public var progress: Duration
        /// The first workers must have joined within this time.
        public var join: Duration

        public init(
            heartbeat: Duration = .seconds(1), liveness: Duration = .seconds(8), progress: Duration = .seconds(30),
            join: Duration = .seconds(120)
        ) {
            self.heartbeat = heartbeat
            self.liveness = liveness
            self.progress = progress
            self.join = join
        }
    }

    /// What happens to the coordinator.
    public enum Event: Hashable, Sendable {
        /// A worker passed every check of hello and its data link is up.
        case joined(WorkerID)
        /// A worker holds a whole version for the first time.
        case synchronized(WorkerID)
        /// Something was heard of a worker.
        case heard(WorkerID)
        /// A worker said goodbye, failed, or its process is known to be gone.
        case left(WorkerID, reason: String)
        /// Every parameter chunk of a shard host is rooted at `step`.
        case shardReduced(step: Step)
        /// The gradient of `step` may be applied: it is finite.
        case gradientAccepted(step: Step)
        /// The gradient of `step` is not finite, and the experiment says to stop.
        case gradientRefused(step: Step, reason: String)
        /// Every chunk of a shard host has reached `version`.
        case shardApplied(version: Step)
        /// The user asks the run to end.
        case stopRequested(reason: String)
        case ticked
    }

    /// What the shell must do, in order.
    public enum Directive: Hashable, Sendable {
        case assign(WorkerID, Assignment, members: Int)
        /// Tell every shard host that the worker reads no more.
        case unsubscribe(WorkerID)
        /// Sum the squared norms of `step` in canonical order and answer with `.gradientAccepted` or `.gradientRefused`.
        case judgeGradient(step: Step)
        /// Tell every shard host to apply `step`.
        case allowApply(step: Step, timeline: Timeline)
        /// The membership changed: a row for the record.
        case recordMembership(Membership)
        /// A wait passed its deadline; it goes on.
        case warnWait(Wait)
        /// Version `version` is in place everywhere.
        case stepDone(version: Step)
        case end(Outcome)
    }

    /// One change of the membership.
    public struct Membership: Hashable, Sendable {
        /// What changed.
        public enum Change: String, Hashable, Sendable { case joined, left, lost }
        public var generation: Generation
        public var step: Step
        public var worker: WorkerID
        public var change: Change
        public var reason: String
        public var members: Int
    }

    /// Who is awaited, for what, since when.
    public struct Wait: Hashable, Sendable {
        /// What is awaited.
        public enum Subject: Hashable, Sendable {
            case workersToJoin(present: Int, needed: Int)
            case gradients(step: Step)
        }
        public var subject: Subject
        public var waited: Duration
    }

    /// How the run ended.
    public enum Outcome: Hashable, Sendable {
        case finished
        case interrupted(reason: String)
        case failed(Failure)
    }

    /// Why a run failed.
    public enum Failure: Hashable, Sendable {
        case notEnoughWorkers(present: Int, needed: Int, waited: Duration)
        case allWorkersLost(last: WorkerID, reason: String, step: Step)
        case gradientNotFinite(step: Step, reason: String)
    }

    struct Member: Sendable {
        var id: WorkerID
        var heard: Instant
        /// Ascending; empty until the worker is synchronized.
        var partitions: [Partition] = []
        /// Whether the worker has held a whole version, and therefore holds every later one in time.
        var isSynchronized = false
    }

    enum Phase: Sendable { case gathering, running, ended }

    public let configuration: Configuration
    public private(set) var timeline: Timeline
    public internal(set) var generation = Generation(rawValue: 0)
    /// The version that every chunk has reached.
    public private(set) var version: Step
    var phase = Phase.gathering
    /// In order of joining.
    var members: [Member] = []
    private var reduced = 0
    private var applied = 0
    var lastTick: Instant?
    var phaseStart: Instant
    var stepStart: Instant
    var nextWarning: Duration
    private var stepDurations: [Duration] = []

    /// A coordinator that starts at `version` of `timeline` (0 and 1 for a new run).
    public init(_ configuration: Configuration, version: Step = 0, timeline: Timeline = Timeline(rawValue: 1), now: Instant) {
        self.configuration = configuration
        self.version = version
        self.timeline = timeline
        phaseStart = now
        stepStart = now
        nextWarning = configuration.deadlines.progress
    }

    /// The workers in order of joining, with what each computes.
    public var assignments: [(worker: WorkerID, partitions: [Partition])] { members.map { ($0.id, $0.partitions) } }

    /// Takes one event that happened at `now`; appends what must be done to `directives`.
    public mutating func handle(_ event: Event, at now: Instant, into directives: inout [Directive]) {
        if phase == .ended { return }
        switch event {
        case .joined(let worker): join(worker, at: now, into: &directives)
        case .synchronized(let worker): synchronize(worker, into: &directives)
        case .heard(let worker):
            if let index = members.firstIndex(where: { $0.id == worker }) { members[index].heard = now }
        case .left(let worker, let reason): remove(worker, .left, reason, at: now, into: &directives)
        case .shardReduced(let step):
            guard step == version else { return }
            reduced += 1
            if reduced == configuration.shardHosts { directives.append(.judgeGradient(step: step)) }
        case .gradientAccepted(let step):
            if step == version { directives.append(.allowApply(step: step, timeline: timeline)) }
        case .gradientRefused(let step, let reason):
            end(.failed(.gradientNotFinite(step: step, reason: reason)), into: &directives)
        case .shardApplied(let version): applied(version, at: now, into: &directives)
        case .stopRequested(let reason): end(.interrupted(reason: reason), into: &directives)
        case .ticked: tick(now, into: &directives)
        }
    }

    private mutating func applied(_ version: Step, at now: Instant, into directives: inout [Directive]) {
        guard version == self.version + 1 else { return }
        applied += 1
        guard applied == configuration.shardHosts else { return }
        self.version = version
        (reduced, applied) = (0, 0)
        remember(now - stepStart)
        stepStart = now
        nextWarning = progressDeadline
        directives.append(.stepDone(version: version))
        if version == configuration.steps { end(.finished, into: &directives) }
    }

    mutating func end(_ outcome: Outcome, into directives: inout [Directive]) {
        phase = .ended
        directives.append(.end(outcome))
    }

    private mutating func remember(_ duration: Duration) {
        stepDurations.append(duration)
        if stepDurations.count > 64 { stepDurations.removeFirst(32) }
    }

    /// max(the configured least, ten median steps).
    var progressDeadline: Duration {
        let median = stepDurations.isEmpty ? .zero : stepDurations.sorted()[stepDurations.count / 2]
        return max(configuration.deadlines.progress, median * 10)
    }
}
