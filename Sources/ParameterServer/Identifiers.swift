/// The number of a parameter version: version `t` is the parameters before step `t`, so step `t` makes version `t + 1`.
public typealias Step = UInt64

/// The number of the membership; it grows with every join or loss.
public struct Generation: RawRepresentable, Hashable, Comparable, Codable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    /// The generation after this one.
    public var next: Generation { Generation(rawValue: rawValue + 1) }
}

/// The number of the history a frame belongs to; it grows with every resume or rollback, and frames of an older one are void.
public struct Timeline: RawRepresentable, Hashable, Comparable, Codable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    /// The timeline after this one.
    public var next: Timeline { Timeline(rawValue: rawValue + 1) }
}

/// One life of one worker process: a restarted worker is another peer.
public struct WorkerID: RawRepresentable, Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
    public var rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var description: String {
        guard isCoordinators else { return "worker-" + String(rawValue, radix: 16) }
        return self == .coordinator ? "coordinator" : "coordinator-\(rawValue - Self.coordinator.rawValue + 1)"
    }

    /// The coordinator, where it takes part in the exchange like a worker: as a host of shards.
    public static let coordinator = WorkerID(rawValue: 1 << 56)
    /// The coordinator as `count` hosts of shards, each a thread and a peer of its own; the first is `coordinator`.
    public static func coordinators(_ count: Int) -> [WorkerID] {
        precondition((1...coordinatorsMax).contains(count), "a coordinator hosts shards on 1 to \(coordinatorsMax) threads")
        return (0..<UInt64(count)).map { WorkerID(rawValue: coordinator.rawValue + $0) }
    }
    /// Hosts of shards that a coordinator may be at most.
    public static let coordinatorsMax = 64
    /// Whether this is a thread of the coordinator's, and no worker.
    public var isCoordinators: Bool { rawValue >> 56 == 1 }
    /// Those that lives are drawn from.
    public static let lives = UInt64(1) << 57...UInt64.max
}

/// Where shards live.
public enum ShardPlacement: String, CaseIterable, Hashable, Sendable {
    /// With the coordinator, the classic parameter server.
    case coordinator
    /// Spread over the workers.
    case workers
}

/// The place of a chunk in the chunk plan.
public struct ChunkIndex: RawRepresentable, Hashable, Comparable, Codable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// One of the `M` fixed slices of the training data.
public typealias Partition = Int
