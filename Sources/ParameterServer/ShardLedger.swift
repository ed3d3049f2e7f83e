/// What the hosts of shards have reported on one timeline: the version that is in place everywhere, the norms that a step waits for, and
/// the copies that have been made of versions.
///
/// A report may come again, late, or never, when a later one says more; it counts once. What follows from the reports is told once, in
/// an order that the coordinator's machine can take: a version before its step's norms, those before the next version, and none before
/// everything that was to be copied of the version is here. So a run cannot end, and a probe cannot begin, without the values that they are about.
public struct ShardLedger: Sendable {
    /// What the coordinator's machine is to be told.
    public enum News: Hashable, Sendable {
        /// Every host holds the timeline's first version.
        case placed
        /// `version` is in place everywhere.
        case applied(version: Step)
        /// Every host has told the norms of `step`; in the plan's order.
        case reduced(step: Step, norms: [Double])
    }

    private struct Host: Sendable {
        var id: WorkerID
        /// The version that all its chunks have reached; nil until it holds the timeline's first.
        var version: Step?
        /// The hosts of parameters are awaited with their norms.
        var chunks: [ChunkIndex]
    }

    private struct Norms: Sendable {
        var byChunk: [[Double]]
        var missing: Set<WorkerID>
    }

    private struct Copy: Hashable, Sendable {
        var version: Step
        var occasion: CaptureOccasion
    }

    private var hosts: [Host]
    private let statistics: ChunkIndex
    private let chunkCount: Int
    private let first: Step
    private let captures: CaptureSchedule
    private let probes: ProbeSchedule
    /// How far a host's word may be ahead of what is told: what it speaks of is kept until then.
    private static let aheadMax: Step = 4096
    /// The last version that news were made of.
    private var told: Step?
    /// Whole copies of versions that have not been told.
    private var copied: Set<Copy> = []
    /// Of steps whose norms were not handed out. A step that waits for nothing may be told of before another host's word on the one
    /// before has come.
    private var norms: [Step: Norms] = [:]
    /// The last step whose norms were handed out.
    private var reduced: Step?
    private var capture: (target: Step, margin: Step)?

    /// A ledger in which nobody has reported yet; `version` is the timeline's first.
    public init(map: ShardMap, plan: ChunkPlan, version: Step, captures: CaptureSchedule, probes: ProbeSchedule = .never) {
        hosts = map.everybody.map { Host(id: $0, version: nil, chunks: map.chunks(of: $0)) }
        statistics = plan.statistics
        chunkCount = plan.chunks.count
        (first, self.captures, self.probes) = (version, captures, probes)
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

    /// Whether a host can be at `version`, going by what is known of all.
    public func isPlausible(_ version: Step) -> Bool { version <= (told ?? first) + Self.aheadMax }

    /// All chunks of `host` have reached `version`.
    public mutating func applied(_ host: WorkerID, _ version: Step) {
        guard let index = hosts.firstIndex(where: { $0.id == host }), hosts[index].version.map({ $0 < version }) ?? true else {
            return
        }
        hosts[index].version = version
    }

    /// The squared norms of the segments of all parameter chunks of `host`, in the plan's order; `segments` says how many each chunk has.
    /// Whoever tells the norms of a step has reached its version.
    public mutating func reduced(_ host: WorkerID, step: Step, norms values: [Double], segments: (ChunkIndex) -> Int) {
        applied(host, step)
        guard let index = hosts.firstIndex(where: { $0.id == host }), step >= told ?? first,
            isPlausible(step), reduced.map({ $0 < step }) ?? true
        else {
            return
        }
        let chunks = hosts[index].chunks.filter { $0 != statistics }
        guard chunks.reduce(0, { $0 + segments($1) }) == values.count else { return }
        var gathered =
            norms[step]
            ?? Norms(
                byChunk: Array(repeating: [], count: chunkCount),
                missing: Set(hosts.filter { $0.chunks.contains { $0 != statistics } }.map(\.id)))
        guard gathered.missing.remove(host) != nil else { return }
        var next = 0
        for chunk in chunks {
            gathered.byChunk[Int(chunk.rawValue)] = Array(values[next..<next + segments(chunk)])
            next += segments(chunk)
        }
        norms[step] = gathered
    }

    /// A step before `version` whose norms `host` has not told, which must have by the time it is there.
    public func missingNorms(of host: WorkerID, before version: Step, needed: (Step) -> Bool) -> Step? {
        let next = told ?? first
        guard next < version else { return nil }
        return (next..<version).first { step in
            needed(step) && reduced.map { $0 < step } ?? true && norms[step]?.missing.contains(host) ?? true
        }
    }

    /// What has come to be true and was not told yet; ask until there is nothing, after every report and copy. `needsNorms` says of which
    /// steps there are norms.
    public mutating func news(needsNorms: (Step) -> Bool) -> News? {
        if let told, let gathered = norms[told], gathered.missing.isEmpty {
            norms[told] = nil
            reduced = told
            return .reduced(step: told, norms: gathered.byChunk.flatMap { $0 })
        }
        let next = told.map { $0 + 1 } ?? first
        if let told, needsNorms(told), reduced.map({ $0 < told }) ?? true { return nil }
        guard let version, next <= version, copies(of: next).allSatisfy(copied.contains) else { return nil }
        defer { told = next }
        for copy in copies(of: next) { copied.remove(copy) }
        return told == nil ? .placed : .applied(version: next)
    }
}

// MARK: - Copies

extension ShardLedger {
    /// What every host copies of `version` unasked.
    private func copies(of version: Step) -> [Copy] {
        var copies: [Copy] = []
        if let capture = captures.capture(at: version) {
            copies.append(Copy(version: version, occasion: .scheduled(complete: capture == .complete)))
        }
        if probes.isDue(at: version) { copies.append(Copy(version: version, occasion: .probed)) }
        return copies
    }

    /// The copies that are still to be put together of versions up to this one: a host that has reached it has sent its part of them.
    public func missingCopies(through version: Step) -> [(version: Step, occasion: CaptureOccasion)] {
        let next = told.map { $0 + 1 } ?? first
        guard next <= version else { return [] }
        return (next...version).flatMap(copies).filter { !copied.contains($0) }.map { ($0.version, $0.occasion) }
    }

    /// Whether this copy is still to be put together: it is due or asked for, and has not been whole.
    public func awaits(_ version: Step, _ occasion: CaptureOccasion) -> Bool {
        if occasion == .requested { return capture?.target == version }
        let copy = Copy(version: version, occasion: occasion)
        return version >= told.map({ $0 + 1 }) ?? first && isPlausible(version)
            && copies(of: version).contains(copy) && !copied.contains(copy)
    }

    /// An awaited copy is whole.
    public mutating func captured(_ version: Step, _ occasion: CaptureOccasion) {
        guard awaits(version, occasion) else { return }
        if occasion == .requested { capture = nil } else { copied.insert(Copy(version: version, occasion: occasion)) }
    }

    /// The version that every host is to copy, now that a snapshot is asked for: the present one, which may stand still for long. Nil
    /// while shards are being placed.
    public mutating func requestCapture() -> Step? {
        if let capture { return capture.target }
        guard let version else { return nil }
        capture = (version, 1)
        return version
    }

    /// A host had gone beyond the version asked for: a later one to ask everybody for, unless that has happened already. Nobody goes
    /// beyond the last.
    public mutating func captureMissed(target: Step, foremost: Step) -> Step? {
        guard let (present, margin) = capture, present == target else { return nil }
        capture = (min(captures.last, max(foremost, version ?? 0) + margin), 2 * margin)
        return capture?.target
    }

    /// The version that a snapshot on request is awaited of.
    public var captureTarget: Step? { capture?.target }
}
