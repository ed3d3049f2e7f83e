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
        /// Where shards live, and on how many workers at most: there are so many chunks.
        public var placement: ShardPlacement
        public var hostsMax: Int
        public var twoPhase: Bool
        /// The versions that may be probed.
        public var probes: ProbeSchedule
        public var deadlines: Deadlines

        public init(
            partitions: Int, steps: Step, workersToStart: Int, placement: ShardPlacement = .coordinator, hostsMax: Int = .max,
            twoPhase: Bool, probes: ProbeSchedule = .never, deadlines: Deadlines = .init()
        ) {
            precondition(partitions >= 1 && workersToStart >= 1 && hostsMax >= 1, "a run has partitions, workers and a shard host")
            self.partitions = partitions
            self.steps = steps
            self.workersToStart = workersToStart
            self.placement = placement
            self.hostsMax = hostsMax
            self.twoPhase = twoPhase
            self.probes = probes
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
        /// Something was heard of a worker; its report says what it knows, so that a lost assignment is sent again.
        case heard(WorkerID, WorkerReport?)
        /// A worker said goodbye, failed, or its process is known to be gone.
        case left(WorkerID, reason: String)
        /// Every parameter chunk is rooted at `step`.
        case shardReduced(step: Step)
        /// The gradient of `step` may be applied: it is finite.
        case gradientAccepted(step: Step)
        /// The gradient of `step` is not finite, and the experiment says to stop.
        case gradientRefused(step: Step, reason: String)
        /// The probe of `version` that `.probe` asked for has ended, or there was none.
        case probed(version: Step)
        /// Every chunk has reached `version`.
        case shardApplied(version: Step)
        /// Version `version` of `timeline` is in place with the coordinator: what `.rollBack` asked for.
        case rolledBack(version: Step, timeline: Timeline)
        /// Every host holds its chunks of the timeline's first version: what the `.place` of `generation` asked for.
        case placed(generation: Generation)
        /// The user asks the run to end after a snapshot.
        case stopRequested(reason: String)
        /// What `.requestSnapshot` asked for is on disk, or could not be written.
        case snapshotEnded(version: Step?)
        /// No more than this many workers can come any more, those who are here included.
        case workersExpected(Int)
        /// No worker can come any more.
        case workersExhausted
        case ticked
    }

    /// What the shell must do, in order.
    public enum Directive: Hashable, Sendable {
        case assign(WorkerID, Assignment, members: Int)
        /// Tell every shard host that the worker reads no more.
        case unsubscribe(WorkerID)
        /// Sum the squared norms of `step` in canonical order and answer with `.gradientAccepted` or `.gradientRefused`.
        case judgeGradient(step: Step)
        /// `version` is due for a probe and stands still on every shard and worker until the answer, `.probed`.
        case probe(version: Step)
        /// Tell every shard host to apply `step`.
        case allowApply(step: Step, timeline: Timeline)
        /// The membership changed: a row for the record.
        case recordMembership(Membership)
        /// A wait passed its deadline; it goes on.
        case warnWait(Wait)
        /// Version `version` is in place everywhere.
        case stepDone(version: Step)
        /// Tell a worker that was heard but is no member (any more) to join anew.
        case expel(WorkerID)
        /// Nobody holds a whole version any more: put the last snapshot in place as this timeline, then answer with `.rolledBack`.
        case rollBack(timeline: Timeline)
        /// Spread the shards over these workers, which take the timeline's first version from the coordinator; answer with `.placed`.
        case place(hosts: [WorkerID], timeline: Timeline, generation: Generation)
        /// Take a complete snapshot as soon as possible and answer with `.snapshotEnded`.
        case requestSnapshot
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
            case heartbeat(WorkerID)
            case probe(version: Step)
            case snapshotInPlace
            case shardsInPlace
        }
        public var subject: Subject
        public var waited: Duration

        public init(subject: Subject, waited: Duration) {
            self.subject = subject
            self.waited = waited
        }
    }

    /// How the run ended.
    public enum Outcome: Hashable, Sendable {
        case finished
        /// Stopped on request; `snapshot` is the version that the run can go on from, nil if none was taken for the occasion.
        case interrupted(reason: String, snapshot: Step?)
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
        /// What it was told last.
        var assignment: Assignment?
        /// The version that it said it holds, on this timeline.
        var reported: Step?
        /// Whether its silence has been logged.
        var isStalled = false
    }

    /// Placing: the workers that are to host shards take their chunks. Bereft: nobody holds a whole version any more, and nobody is there
    /// to restore one for.
    enum Phase: Sendable { case gathering, placing, running, bereft, rollingBack, ended }

    public private(set) var configuration: Configuration
    public internal(set) var timeline: Timeline
    public internal(set) var generation = Generation(rawValue: 0)
    /// The version that every chunk has reached.
    public internal(set) var version: Step
    var phase = Phase.gathering
    /// In order of joining.
    var members: [Member] = []
    /// The workers that host shards on this timeline.
    public internal(set) var hosts: [WorkerID] = []
    /// The generation in which they were chosen: the name of what `.placed` answers.
    var placement: Generation?
    /// The version that is being probed, and since when.
    var probing: (version: Step, since: Instant)?
    /// Set once the run is asked to end: why, and since when a snapshot is awaited.
    var stopping: (reason: String, since: Instant)?
    /// Whether a snapshot was put in place as this timeline, of which nobody has had anything yet.
    var isRestored = false
    /// Rollbacks since a step was last applied: each doubles the patience with the next one.
    var rollbacksInARow = 0
    var lastLost: (worker: WorkerID, reason: String)?
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

    /// What the coordinator is doing, in a word for people.
    public var phaseName: String {
        if stopping != nil && phase == .running { return "stopping" }
        return switch phase {
        case .gathering: "waiting for workers"
        case .placing: "placing shards"
        case .running: "running"
        case .bereft: "waiting for any worker"
        case .rollingBack: "rolling back"
        case .ended: "ended"
        }
    }

    /// How long the present wait has lasted: for workers before and between, for the step's gradients while it runs.
    public func waited(at now: Instant) -> Duration { now - (phase == .running ? stepStart : phaseStart) }

    /// Time since the last sign of life.
    public func silence(of worker: WorkerID, at now: Instant) -> Duration {
        members.first { $0.id == worker }.map { now - $0.heard } ?? .zero
    }

    /// Takes one event that happened at `now`; appends what must be done to `directives`.
    public mutating func handle(_ event: Event, at now: Instant, into directives: inout [Directive]) {
        if phase == .ended { return }
        switch event {
        case .joined(let worker): join(worker, at: now, into: &directives)
        case .synchronized(let worker): synchronize(worker, into: &directives)
        case .heard(let worker, let report): hear(worker, report, at: now, into: &directives)
        case .left(let worker, let reason): remove(worker, .left, reason, at: now, into: &directives)
        case .shardReduced(let step):
            if step == version && phase != .rollingBack { directives.append(.judgeGradient(step: step)) }
        case .gradientAccepted(let step):
            guard step == version, phase != .rollingBack, probing == nil else { return }
            if configuration.probes.isDue(at: step) { return probe(step, at: now, into: &directives) }
            directives.append(.allowApply(step: step, timeline: timeline))
        case .probed(let version): probed(version, at: now, into: &directives)
        case .gradientRefused(let step, let reason):
            end(.failed(.gradientNotFinite(step: step, reason: reason)), into: &directives)
        case .shardApplied(let version): applied(version, at: now, into: &directives)
        case .rolledBack(let version, let timeline): rolledBack(version, timeline, at: now, into: &directives)
        case .placed(let generation):
            if phase == .placing && placement == generation { begin(at: now, into: &directives) }
        case .stopRequested(let reason): requestStop(reason, at: now, into: &directives)
        case .snapshotEnded(let version):
            if let stopping { end(.interrupted(reason: stopping.reason, snapshot: version), into: &directives) }
        case .workersExpected(let count): expect(count, at: now, into: &directives)
        case .workersExhausted:
            // A stop that waits for its snapshot is not overtaken: what the shards hold can still be saved.
            if members.isEmpty && stopping == nil { endWithoutWorkers(at: now, into: &directives) }
        case .ticked: tick(now, into: &directives)
        }
    }

    private mutating func applied(_ version: Step, at now: Instant, into directives: inout [Directive]) {
        guard version == self.version + 1, phase != .rollingBack else { return }
        self.version = version
        rollbacksInARow = 0
        remember(now - stepStart)
        stepStart = now
        nextWarning = progressDeadline
        directives.append(.stepDone(version: version))
        guard version == configuration.steps else { return }
        if configuration.probes.isDue(at: version) { return probe(version, at: now, into: &directives) }
        end(.finished, into: &directives)
    }

    private mutating func probe(_ version: Step, at now: Instant, into directives: inout [Directive]) {
        probing = (version, now)
        nextWarning = progressDeadline
        directives.append(.probe(version: version))
    }

    /// The time that a probe took is no part of its step's.
    private mutating func probed(_ version: Step, at now: Instant, into directives: inout [Directive]) {
        guard let probing, probing.version == version, phase != .rollingBack else { return }
        self.probing = nil
        stepStart = min(now, stepStart + (now - probing.since))
        nextWarning = progressDeadline
        if version == configuration.steps { return end(.finished, into: &directives) }
        directives.append(.allowApply(step: version, timeline: timeline))
    }

    /// Fewer workers than were asked for are better than none: the bits are the same.
    private mutating func expect(_ count: Int, at now: Instant, into directives: inout [Directive]) {
        configuration.workersToStart = max(1, min(configuration.workersToStart, count))
        if phase == .gathering { startIfEnough(at: now, into: &directives) }
    }

    /// A run that has begun is left with a snapshot; one that has not has nothing to lose.
    private mutating func requestStop(_ reason: String, at now: Instant, into directives: inout [Directive]) {
        guard phase == .running else { return end(.interrupted(reason: reason, snapshot: nil), into: &directives) }
        if stopping != nil { return }
        stopping = (reason, now)
        directives.append(.requestSnapshot)
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
        return max(configuration.deadlines.progress, median * 10) * (1 << min(rollbacksInARow, 10))
    }
}

/// What a worker says of itself with every heartbeat.
public struct WorkerReport: Hashable, Sendable {
    public var timeline: Timeline
    /// Of the assignment that it follows; 0 before the first.
    public var generation: Generation
    /// The whole version that it holds, if any.
    public var version: Step?

    public init(timeline: Timeline, generation: Generation, version: Step?) {
        self.timeline = timeline
        self.generation = generation
        self.version = version
    }
}
