/// What the hosts of shards have reported on one timeline: the version that is in place everywhere, the norms that a step waits for, and
/// the version that a snapshot on request is to be of.
///
/// A report may come again, or late; it counts once.
public struct ShardLedger: Sendable {
    private struct Host: Sendable {
        var id: WorkerID
        /// The version that all its chunks have reached; nil until it holds the timeline's first.
        var version: Step?
        /// The hosts of parameters are awaited with their norms.
        var chunks: [ChunkIndex]
    }

    private var hosts: [Host]
    private let statistics: ChunkIndex
    /// By chunk, of the step whose norms are being gathered.
    private var norms: [[Double]]
    private var normsStep: Step?
    private var normsMissing: Set<WorkerID> = []
    /// The last step whose norms were handed out.
    private var reduced: Step?
    private var capture: (target: Step, margin: Step)?

    /// A ledger in which nobody has reported yet.
    public init(map: ShardMap, plan: ChunkPlan) {
        hosts = map.everybody.map { Host(id: $0, version: nil, chunks: map.chunks(of: $0)) }
        statistics = plan.statistics
        norms = Array(repeating: [], count: plan.chunks.count)
    }

    /// The version that is in place everywhere; nil until every host holds the timeline's first.
    public var version: Step? {
        var least = Step.max
        for host in hosts {
            guard let version = host.version else { return nil }
            least = min(least, version)
        }
        return least
    }

    /// The hosts that have not reached `version`: whom a stalled step waits for.
    public func missing(_ version: Step) -> [WorkerID] { hosts.filter { $0.version.map { $0 < version } ?? true }.map(\.id) }

    /// All chunks of `host` have reached `version`; says whether that puts a later version, or the first, in place everywhere.
    public mutating func applied(_ host: WorkerID, _ version: Step) -> Bool {
        guard let index = hosts.firstIndex(where: { $0.id == host }), hosts[index].version.map({ $0 < version }) ?? true else {
            return false
        }
        let before = self.version
        hosts[index].version = version
        return self.version != before
    }

    /// The squared norms of the segments of all parameter chunks of `host`, in the plan's order; `counts` says how many each chunk has.
    /// Once all hosts have told those of `step`: the norms of the whole plan, in order.
    public mutating func reduced(_ host: WorkerID, step: Step, norms values: [Double], segments: (ChunkIndex) -> Int) -> [Double]? {
        guard let index = hosts.firstIndex(where: { $0.id == host }), reduced.map({ $0 < step }) ?? true else { return nil }
        let chunks = hosts[index].chunks.filter { $0 != statistics }
        guard chunks.reduce(0, { $0 + segments($1) }) == values.count else { return nil }
        if normsStep != step {
            if let normsStep, normsStep > step { return nil }
            normsStep = step
            normsMissing = Set(hosts.filter { $0.chunks.contains { $0 != statistics } }.map(\.id))
        }
        guard normsMissing.remove(host) != nil else { return nil }
        var next = 0
        for chunk in chunks {
            norms[Int(chunk.rawValue)] = Array(values[next..<next + segments(chunk)])
            next += segments(chunk)
        }
        guard normsMissing.isEmpty else { return nil }
        reduced = step
        return norms.flatMap { $0 }
    }

    /// The version that every host is to copy, now that a snapshot is asked for: nobody may have gone beyond it yet.
    public mutating func requestCapture() -> Step? {
        guard let version else { return nil }
        capture = (version + 1, 1)
        return version + 1
    }

    /// A host had gone beyond the version asked for: a later one to ask everybody for, unless that has happened already.
    public mutating func captureMissed(target: Step, foremost: Step) -> Step? {
        guard let (present, margin) = capture, present == target else { return nil }
        capture = (max(foremost, version ?? 0) + 2 * margin, 2 * margin)
        return capture?.target
    }

    /// The version that a snapshot on request is awaited of.
    public var captureTarget: Step? { capture?.target }

    /// The snapshot is there.
    public mutating func captured() { capture = nil }
}
