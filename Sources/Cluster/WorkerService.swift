import ExperimentFile
import Foundation
import LinearAlgebra
import Logging
import ParameterServer
import StructuredLayers
import Synchronization
import Training
import Transport
import WireProtocol

/// A worker: joins a coordinator, computes what it is assigned, ends when the run ends.
public struct WorkerService: Sendable {
    public var coordinator: Endpoint
    /// What the coordinator's experiment may name.
    public var families: LayerFamilies
    /// Empty to be given one.
    public var name: String
    public var build: String
    /// Where this worker takes connections of other workers when it hosts a shard; empty for the address that faces the coordinator.
    public var bindHost = ""
    /// 0 leaves the choice to the system.
    public var bindPort: UInt16 = 0
    /// The host name or address that others reach this worker by; empty for the address of `bindHost`.
    public var advertisedHost = ""
    /// Whether it may listen where other machines reach it.
    public var listensBeyondLoopback = false
    /// How long the coordinator may take to answer at first.
    public var connectDeadline: Duration
    /// How long a coordinator that was there may be silent before the worker gives up.
    public var reconnectDeadline: Duration

    public init(
        coordinator: Endpoint, families: LayerFamilies, name: String = "", build: String,
        connectDeadline: Duration = .seconds(30), reconnectDeadline: Duration = .seconds(600)
    ) {
        self.families = families
        self.reconnectDeadline = reconnectDeadline
        self.coordinator = coordinator
        self.name = name
        self.build = build
        self.connectDeadline = connectDeadline
    }

    /// Works until the run ends. Blocking.
    ///
    /// - Throws: `ClusterError` when the worker is refused, the run fails or the coordinator falls silent; what the data or the
    ///   experiment throws when they cannot be used here.
    public func run(log: Logger) throws {
        BLAS.useOneThread()
        var prepared: Prepared?
        while case .rejoin(let reason) = try live(&prepared, log) {
            log.warning("joining anew", metadata: ["coordinator": "\(coordinator)", "reason": "\(reason)"])
        }
    }

    /// What a worker keeps from one life to the next.
    private struct Prepared {
        var experimentYAML: String
        var plan: TrainingPlan
        var fingerprint: NumericFingerprint
    }

    private enum LifeEnding { case finished, rejoin(reason: String) }

    /// One membership: from hello to the end of the run, or to the coordinator's word that it does not count this life.
    private func live(_ prepared: inout Prepared?, _ log: Logger) throws -> LifeEnding {
        let identity = Self.newIdentity()
        let news = Mailbox<WorkerNews>(capacity: 1 << 16)
        let context = try TransportContext()
        let (progress, times) = (ProgressBoard(), StepTimesBoard())
        let control = try SocketLoop(
            name: "plumb-control", context: context, role: .dealer(connect: coordinator, identity: identity), limits: .control
        ) { [hello = hello(identity), patience = prepared == nil ? connectDeadline : reconnectDeadline] in
            WorkerControl(hello: hello, connectDeadline: patience, progress: { progress.value }, stepTimes: { times.take() }) {
                _ = news.offer($0)
            }
        }
        defer {
            control.stop()
            try? control.join(deadline: .seconds(5))
            try? context.close(deadline: .seconds(5))
        }
        do { return try work(identity, &prepared, news, control, progress, times, context, log) } catch {
            if case .refused? = error as? ClusterError { throw error }
            try? control.post(.fail(sentence: "\(error)"))
            throw error
        }
    }

    private func work(
        _ identity: WorkerID, _ prepared: inout Prepared?, _ news: Mailbox<WorkerNews>, _ control: SocketLoop<WorkerControl>,
        _ progress: ProgressBoard, _ times: StepTimesBoard, _ context: TransportContext,
        _ log: Logger
    ) throws -> LifeEnding {
        let welcome = try awaitWelcome(news, prepared == nil ? connectDeadline : reconnectDeadline)
        let failpoint = Failpoint(worker: welcome.workerName)
        failpoint?.reach(.hello, 0)
        let ready = try prepare(welcome, &prepared)
        let (plan, fingerprint) = (ready.plan, ready.fingerprint)
        let lane = LaneBox()
        let outlets = WorkerOutlets(
            lane: { lane.compute($0) }, progressed: { progress.value = $0 }, timed: { times.add($1, of: $0) },
            synchronized: { try? control.post(.synchronized($0)) },
            rejected: { log.warning("dropped a data frame", metadata: ["reason": "\($0)", "dropped so far": "\($1)"]) })
        let sharesMemory = plan.experiment.cluster.payloads == .auto
        let memory = ExchangeMemory(plan, isShared: sharesMemory)
        let exchange = Exchange(
            plan: plan, identity: identity, coordinators: try coordinators(welcome, plan), memory: welcome.memory,
            sharesMemory: sharesMemory)
        let hostsShards = plan.experiment.training.placement == .workers
        let data = try SocketLoop(
            name: "plumb-data", context: context,
            role: .peer(bind: hostsShards ? try dataBind() : nil, identity: identity), limits: plan.dataLimits
        ) {
            WorkerData(
                plan: plan, identity: identity, exchange: exchange, memory: memory, outlets: outlets, failpoint: failpoint)
        }
        lane.start(plan) { try? data.post($0) }
        defer {
            lane.stop()
            data.stop()
            try? data.join(deadline: .seconds(5))
        }
        try control.post(
            .ready(
                .init(
                    blasConfiguration: fingerprint.blasConfiguration, blasCore: fingerprint.blasCore,
                    fingerprintDigest: fingerprint.digest, dataDigest: plan.data.digest, layoutDigest: plan.layoutDigest,
                    dataEndpoint: hostsShards ? try advertised(data.boundEndpoint) : "", memory: memory.name)))
        return try follow(news, data, log)
    }

    private func coordinators(_ welcome: ControlMessage.Welcome, _ plan: TrainingPlan) throws -> [Endpoint] {
        let endpoints = try ([welcome.dataEndpoint] + welcome.shardEndpoints).map { try Endpoint(parsing: $0) }
        guard endpoints.count == plan.coordinators.count else {
            throw ClusterError.unusable(
                "the coordinator listens for data at \(endpoints.count) places, and its experiment makes that \(plan.coordinators.count); "
                    + "run the same build of plumb on every machine")
        }
        return endpoints
    }

    private func prepare(_ welcome: ControlMessage.Welcome, _ prepared: inout Prepared?) throws -> Prepared {
        if let prepared, prepared.experimentYAML == welcome.experimentYAML { return prepared }
        let experiment = try Experiment(yaml: welcome.experimentYAML, source: "the coordinator's experiment")
        try BLASCore.pin(experiment.cluster.blasCore)
        let plan = try TrainingPlan(experiment: experiment, data: try ExperimentData(experiment.data), families: families)
        let ready = Prepared(experimentYAML: welcome.experimentYAML, plan: plan, fingerprint: try plan.fingerprint())
        prepared = ready
        return ready
    }

    private func awaitWelcome(_ news: Mailbox<WorkerNews>, _ patience: Duration) throws -> ControlMessage.Welcome {
        while true {
            switch news.take(within: patience + .seconds(5)) {
            case .welcome(let welcome): return welcome
            case .refused(let refused): throw ClusterError.refused(reason: refused.reason, remedy: refused.remedy)
            case .ended(let stop): throw ClusterError.aborted(reason: stop.reason)
            case .assigned, .peers, .rejoin: continue
            case nil, .silence: throw silent(patience)
            }
        }
    }

    private func follow(_ news: Mailbox<WorkerNews>, _ data: SocketLoop<WorkerData>, _ log: Logger) throws -> LifeEnding {
        var nextWarning = Duration.zero
        while true {
            switch news.take(within: .seconds(60)) {
            case nil, .welcome: continue
            case .assigned(let assignment): try data.post(.assigned(assignment))
            case .peers(let peers): try data.post(.peers(peers))
            case .refused(let refused): throw ClusterError.refused(reason: refused.reason, remedy: refused.remedy)
            case .rejoin(let reason): return .rejoin(reason: reason)
            case .silence(let waited):
                if waited >= reconnectDeadline { throw silent(waited) }
                if waited < nextWarning / 4 { nextWarning = .zero }
                if waited < nextWarning { continue }
                nextWarning = waited * 2
                log.warning(
                    "the coordinator is silent; waiting for it",
                    metadata: ["coordinator": "\(coordinator)", "silent": "\(Int(waited / .seconds(1))) s"])
            case .ended(let stop):
                switch stop.ending {
                case .finished: return .finished
                case .aborted: throw ClusterError.aborted(reason: stop.reason)
                case .interrupted: throw ClusterError.interrupted(reason: stop.reason)
                }
            }
        }
    }

    /// Where this worker listens for others: on the way to the coordinator, unless told otherwise.
    private func dataBind() throws -> Endpoint {
        let endpoint = try Endpoint(
            host: bindHost.isEmpty ? try Endpoint.localHost(toward: coordinator) : bindHost, port: bindPort)
        guard endpoint.isLoopback || listensBeyondLoopback else {
            throw ClusterError.unusable(
                "this run places shards on workers, so this one would listen on \(endpoint.host), where every machine that reaches it may "
                    + "connect; say --insecure on a network that you trust")
        }
        return endpoint
    }

    private func advertised(_ bound: Endpoint) throws -> String {
        let host =
            advertisedHost.isEmpty ? (bound.isWildcard ? try Endpoint.localHost(toward: coordinator) : bound.host) : advertisedHost
        return "\(try Endpoint(host: host, port: bound.port))"
    }

    private func silent(_ waited: Duration) -> ClusterError {
        .coordinatorSilent(endpoint: "\(coordinator)", seconds: Int(waited.components.seconds))
    }

    private func hello(_ identity: WorkerID) -> ControlMessage.Hello {
        ControlMessage.Hello(
            build: build, name: name, host: ProcessInfo.processInfo.hostName,
            processID: Int(ProcessInfo.processInfo.processIdentifier),
            incarnation: identity, threads: 1, blasConfiguration: NumericFingerprint.currentConfiguration,
            blasCore: NumericFingerprint.currentCore)
    }

    /// A number that no other worker has; its first byte is not zero. Only a name: nothing computed depends on it.
    private static func newIdentity() -> WorkerID { WorkerID(rawValue: UInt64.random(in: WorkerID.lives)) }
}

/// How far a worker has come: what its data loop writes and its control loop reads, without waking anybody.
private final class ProgressBoard: Sendable {
    private let state = Mutex(WorkerProgress())
    var value: WorkerProgress {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// Where the time of steps went: what the data loop adds and the control loop takes along. Beyond what a message holds, the oldest go.
private final class StepTimesBoard: Sendable {
    private let state = Mutex(ControlMessage.StepTimes(timeline: Timeline(rawValue: 0), entries: []))

    func add(_ entry: ControlMessage.StepTimes.Entry, of timeline: Timeline) {
        state.withLock { times in
            if times.timeline != timeline { times = .init(timeline: timeline, entries: []) }
            if times.entries.count == ControlMessage.StepTimes.entriesMax { times.entries.removeFirst() }
            times.entries.append(entry)
        }
    }

    /// What has been added since the last time; nil when that is nothing.
    func take() -> ControlMessage.StepTimes? {
        state.withLock { times in
            if times.entries.isEmpty { return nil }
            defer { times.entries.removeAll(keepingCapacity: true) }
            return times
        }
    }
}

/// The lane of a worker, which exists only once the data loop does, to which it reports.
private final class LaneBox: Sendable {
    private let crews = Mailbox<LaneCrew>(capacity: 1)

    func start(_ plan: TrainingPlan, done: @escaping @Sendable (WorkerPost) -> Void) {
        _ = crews.offer(LaneCrew(plan: plan, count: plan.experiment.cluster.threads, done: done))
    }

    private func with(_ body: (LaneCrew) -> Void) {
        guard let crew = crews.take(within: .seconds(30)) else { return }
        body(crew)
        _ = crews.offer(crew)
    }

    func compute(_ work: LaneWork) { with { $0.compute(work) } }
    func stop() { with { $0.stop(within: .seconds(30)) } }
}
