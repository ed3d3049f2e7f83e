import ExperimentFile
import Foundation
import LinearAlgebra
import Logging
import ParameterServer
import RunStore
import Training
import Transport

/// Where and how a coordinator runs.
public struct CoordinatorOptions: Sendable {
    /// Where the control socket listens; port 0 leaves the choice to the system.
    public var bind: Endpoint
    /// The port of the data socket, on the same address; 0 leaves the choice to the system. Further shard threads take the ports that follow.
    public var dataPort: UInt16
    /// The host name or address that workers reach this machine by; empty for the address of `bind`.
    public var advertisedHost: String
    public var build: String

    public init(bind: Endpoint, dataPort: UInt16 = 0, advertisedHost: String = "", build: String) {
        self.bind = bind
        self.dataPort = dataPort
        self.advertisedHost = advertisedHost
        self.build = build
    }
}

/// The coordinator of a run, with its shard hosts and its record.
public final class CoordinatorService: Sendable {
    private let plan: TrainingPlan
    private let tenure: RunTenure
    private let log: Logger
    private let options: CoordinatorOptions
    private let context: TransportContext
    private let control: SocketLoop<CoordinatorControl>
    private let shards: ShardCrew
    private let items: Mailbox<RecorderItem>
    /// A token for each copy of a version that waits for the recorder.
    private let copies: Mailbox<Void>
    private let endings: Mailbox<ClusterEnding>
    private let budget: DiagnosticsBudget

    /// Where workers connect.
    public var endpoint: Endpoint { control.boundEndpoint }

    /// Opens all sockets; workers may connect from now on.
    ///
    /// - Throws: `TransportError` when a port is taken; `LAPACKError` when the fingerprint cannot be taken; `ClusterError` when there is no
    ///   memory for the curvature that is asked for.
    public init(plan: TrainingPlan, tenure: RunTenure, options: CoordinatorOptions, log: Logger) throws {
        BLAS.useOneThread()
        try plan.requireMemoryForCurvature()
        (self.plan, self.tenure, self.options, self.log) = (plan, tenure, options, log)
        let budget = plan.diagnosticsBudget(after: tenure.past)
        self.budget = budget
        // Bounded: when recording falls behind, the steps wait for it.
        let items = Mailbox<RecorderItem>(capacity: 4096)
        let endings = Mailbox<ClusterEnding>(capacity: 4)
        // Copies are large, so few of them may wait.
        let copies = Mailbox<Void>(capacity: 3)
        let post = Outlet<CoordinatorPost>()
        context = try TransportContext()
        let fingerprint = try plan.fingerprint()
        let memory = ExchangeMemory(
            plan, isShared: plan.experiment.cluster.payloads == .auto && plan.experiment.training.placement == .coordinator)
        shards = try ShardCrew(
            plan: plan, tenure: tenure, memory: memory, context: context, host: options.bind.host, port: options.dataPort
        ) { post.send(.shard($0)) }
        let outlets = CoordinatorOutlets(
            shard: { [shards] in shards.post($0) },
            recorder: { item in
                if case .capture = item { _ = copies.put((), within: .seconds(3600)) }
                _ = items.put(item, within: .seconds(3600))
            }, ended: { _ = endings.offer($0) })
        do {
            let announcement = RunAnnouncement(
                runName: plan.experiment.name, experimentYAML: plan.experiment.resolvedYAML(),
                dataEndpoints: try shards.endpoints.map { endpoint in
                    try Endpoint(host: options.advertisedHost.isEmpty ? endpoint.host : options.advertisedHost, port: endpoint.port)
                }, memory: memory.name, fingerprint: fingerprint, dataDigest: plan.data.digest, layoutDigest: plan.layoutDigest,
                build: options.build)
            control = try SocketLoop(
                name: "plumb-coordinator", context: context, role: .router(bind: options.bind), limits: .coordinator
            ) {
                CoordinatorControl(
                    plan: plan, version: tenure.version, timeline: tenure.timeline, announcement: announcement, outlets: outlets,
                    budget: budget, log: log)
            }
        } catch {
            shards.join()
            throw error
        }
        (self.items, self.copies, self.endings) = (items, copies, endings)
        post.connect { [control] in try? control.post($0) }
        tenure.directory.publishEndpoint("\(control.boundEndpoint)")
        let (threads, wanted) = (shards.endpoints.count, plan.experiment.cluster.shardThreads)
        if threads < wanted {
            log.info("fewer chunks than shard threads: one for each", metadata: ["chunks": "\(threads)", "wanted": "\(wanted)"])
        }
    }

    /// How many worker processes this one has started; none but them will come.
    func expectLocalWorkers(_ count: Int) { try? control.post(.localWorkers(count)) }

    /// Asks the run to end.
    public func requestStop(reason: String) { try? control.post(.stopRequested(reason: reason)) }

    func processEnded(_ ending: LocalProcesses.Ending) { try? control.post(.processEnded(ending)) }

    /// Runs to the end. Blocking; records on the calling thread.
    ///
    /// - Throws: `ClusterError` when the run fails or is interrupted; what the disk throws.
    public func run(display: (any RunDisplay)?) throws -> RunResult {
        defer { close() }
        let recorder = try RunRecorder(
            plan: plan, tenure: tenure, display: display, log: log, build: options.build, budget: budget,
            outlets: RecorderOutlets(
                snapshotEnded: { [control] in try? control.post(.snapshotEnded(version: $0)) },
                snapshotLoaded: { [shards] in shards.post(.restore(version: $0, timeline: $1, state: $2)) }))
        let start = ContinuousClock.now
        var ending: ClusterEnding?
        while true {
            if let item = items.take(within: .milliseconds(20)) { try take(item, recorder) }
            if ending == nil { ending = endings.take(within: .zero) }
            switch ending {
            case nil: continue
            case .finished:
                if recorder.isComplete && items.isEmpty {
                    return try recorder.finish(elapsed: ContinuousClock.now - start)
                }
            case .failed(let error):
                recorder.abandon(reason: "\(error)")
                throw error
            case .interrupted(let reason, let step, let snapshot):
                recorder.abandon(reason: "interrupted at step \(step): \(reason)", at: step)
                let kept = snapshot.map { "the snapshot of step \($0) is kept" } ?? "no snapshot was taken for it"
                throw ClusterError.interrupted(
                    reason: "\(reason), at step \(step); \(kept), go on with --resume \(tenure.directory.path)")
            }
        }
    }

    /// What the record refuses ends the run for the workers too.
    private func take(_ item: RecorderItem, _ recorder: RunRecorder) throws {
        defer { if case .capture = item { _ = copies.take(within: .zero) } }
        do { try recorder.take(item) } catch {
            try? control.post(.abort(error as? ClusterError ?? .unusable("\(error)")))
            _ = endings.take(within: .seconds(5))
            recorder.abandon(reason: "\(error)")
            throw error
        }
    }

    private func close() {
        tenure.directory.publishEndpoint(nil)
        control.stop()
        shards.stop()
        try? control.join(deadline: .seconds(10))
        shards.join()
        try? context.close(deadline: .seconds(10))
        tenure.end()
    }
}
