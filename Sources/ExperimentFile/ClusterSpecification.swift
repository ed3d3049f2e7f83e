import ParameterServer

/// What concerns machines and processes, and never the result.
public struct ClusterSpecification: Hashable, Sendable {
    /// Workers that must join before training starts; with `plumb train`, the local worker processes.
    public var workers: Int
    /// Microbatches that a worker computes side by side, each on a thread of its own.
    public var threads: Int
    /// Threads of the coordinator that host shards, each with a data socket of its own; at most one a chunk is made.
    public var shardThreads: Int
    /// Seconds between heartbeats.
    public var heartbeatSeconds: Double
    /// Seconds of silence after which a worker is lost.
    public var livenessSeconds: Double
    /// Seconds within which the first workers must have joined.
    public var joinSeconds: Double
    /// How payloads travel between processes of one host.
    public enum Payloads: String, CaseIterable, Hashable, Sendable {
        /// Through shared memory, where both sides can; over the socket otherwise.
        case auto
        /// Over the socket, as between hosts.
        case tcp
    }

    public var payloads: Payloads

    /// Which cores local workers run on.
    public enum Pinning: String, CaseIterable, Hashable, Sendable {
        /// A core each, when there are as many workers as cores.
        case auto
        /// Wherever the system puts them.
        case none
    }

    public var pinning: Pinning
    /// OpenBLAS's name of the kernels that every process must use; nil leaves the choice to each machine.
    public var blasCore: String?
}

extension ClusterSpecification {
    init(_ section: SettingsSection, placement: ShardPlacement) throws(ExperimentError) {
        workers = try section.integer("workers", default: 2, in: 1...4096)
        threads = try section.integer("threads", default: 1, in: 1...1024)
        shardThreads = try section.integer("shardThreads", default: 1, in: 1...WorkerID.coordinatorsMax)
        guard placement == .coordinator || shardThreads == 1 else {
            throw section.refusal(
                "shardThreads", "\(shardThreads)",
                "training.placement is \(placement.rawValue), where the coordinator hosts no parameters; "
                    + "leave it 1, or set training.placement to coordinator")
        }
        heartbeatSeconds = try section.number("heartbeatSeconds", default: 1, in: 0.25...3600)
        livenessSeconds = try section.number("livenessSeconds", default: 8, in: 0.5...36_000)
        joinSeconds = try section.number("joinSeconds", default: 120, in: 1...360_000)
        payloads = try section.choice("payloads", default: .auto)
        pinning = try section.choice("pinning", default: .auto)
        blasCore = try section.text("blasCore").flatMap { $0 == "none" ? nil : $0 }
        guard livenessSeconds >= 2 * heartbeatSeconds else {
            throw section.refusal(
                "livenessSeconds", "\(livenessSeconds)", "it must be at least twice cluster.heartbeatSeconds (\(heartbeatSeconds))")
        }
        try section.finish()
    }

    var resolved: [(String, SettingsValue)] {
        [
            ("workers", .plain("\(workers)")), ("threads", .plain("\(threads)")),
            ("shardThreads", .plain("\(shardThreads)")),
            ("heartbeatSeconds", .plain("\(heartbeatSeconds)")),
            ("livenessSeconds", .plain("\(livenessSeconds)")), ("joinSeconds", .plain("\(joinSeconds)")),
            ("payloads", .plain(payloads.rawValue)), ("pinning", .plain(pinning.rawValue)),
            ("blasCore", blasCore.map { .text($0) } ?? .plain("none")),
        ]
    }
}
