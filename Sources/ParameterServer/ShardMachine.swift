/// The protocol of a shard: which pushes count, when sums meet, when a chunk moves to its next version.
///
/// A push's value is a function of its name (step, chunk, node), so the machine accepts it from any worker and any generation of the
/// current timeline, and counts each partition exactly once per chunk and step. It never sees a number: the shell keeps the values of
/// the held nodes and carries out the directives in order.
public struct ShardMachine: Sendable {
    /// What a shard must know; a function of the experiment and the placement alone.
    public struct Configuration: Sendable {
        public var tree: ReductionTree
        /// The chunks hosted here, ascending; one of them may be the statistics chunk.
        public var chunks: [ChunkIndex]
        /// The chunk without parameters, hosted by the coordinator.
        public var statistics: ChunkIndex
        /// The number of steps: version `steps` is the last.
        public var steps: Step
        /// Whether every chunk waits for a decision on the whole gradient before it applies (clipping, the stop on NaN and Inf).
        public var twoPhase: Bool
        /// The versions whose step waits in any case: until they have been probed.
        public var probes: ProbeSchedule
        /// The versions whose values the coordinator wants to see.
        public var captures: CaptureSchedule
        /// Whether versions that may be probed are copied for the coordinator, which does not hold the chunks itself.
        public var copiesProbed: Bool

        public init(
            tree: ReductionTree, chunks: [ChunkIndex], statistics: ChunkIndex, steps: Step, twoPhase: Bool,
            captures: CaptureSchedule, probes: ProbeSchedule = .never, copiesProbed: Bool = false
        ) {
            precondition(chunks == chunks.sorted() && !chunks.isEmpty, "a shard hosts chunks in ascending order")
            self.copiesProbed = copiesProbed
            self.tree = tree
            self.chunks = chunks
            self.statistics = statistics
            self.steps = steps
            self.twoPhase = twoPhase
            self.captures = captures
            self.probes = probes
        }

        /// Whether `step` waits for the coordinator's word once its gradient is there.
        public func isHeld(_ step: Step) -> Bool { twoPhase || probes.isDue(at: step) }
    }

    /// What happens to a shard.
    public enum Event: Hashable, Sendable {
        /// A push arrived; its payload waits in the shell until the directive that answers it.
        case pushed(PushName)
        /// The coordinator allows step `step`, which was held back, to be applied.
        case applyAllowed(step: Step, timeline: Timeline)
        /// `worker` wants every version from `fromVersion` on, the present one included.
        case subscribed(WorkerID, fromVersion: Step)
        case unsubscribed(WorkerID)
        /// `worker` misses these chunks of `version`; it gets what is there if that is as new.
        case parametersRequested(WorkerID, version: Step, chunks: [ChunkIndex])
        /// A snapshot is wanted of `version`.
        case captureRequested(version: Step)
        /// The shell put version `version` of a new timeline in place (start, resume, rollback).
        case restored(version: Step, timeline: Timeline)
        /// The shell has put the version after `step` in place by itself: what was pushed for `step` has been read or is not wanted.
        case superseded(step: Step)
    }

    /// What the shell must do, in order.
    public enum Directive: Hashable, Sendable {
        /// Keep the payload of the push at hand: merge it into the held nodes `with`, one after the other; the sum is now `yields`.
        case accept(chunk: ChunkIndex, merging: [TreeNode], yields: TreeNode)
        /// Forget the payload of the push at hand.
        case drop(PushName, DropReason)
        /// Forget these held nodes: an ancestor has arrived.
        case discard(chunk: ChunkIndex, nodes: [TreeNode])
        /// The root of this chunk holds the whole sum of `step`: take its squared norms if the step needs them.
        case rooted(chunk: ChunkIndex, step: Step)
        /// Every parameter chunk hosted here is rooted: tell the coordinator, for whose word the step waits.
        case reportReduced(step: Step)
        /// Apply the root's sum to the chunk, which makes version `step + 1`.
        case apply(chunk: ChunkIndex, step: Step)
        /// Hand the sum of the step's scalars to the coordinator.
        case deliverStatistics(step: Step)
        /// Copy the chunk's parameters, and its moments and state if asked, for the coordinator.
        case capture(chunk: ChunkIndex, version: Step, CaptureOccasion)
        /// The capture of `target` that was asked for is missed: some chunk has reached `foremost`, a later version.
        case reportCaptureMissed(target: Step, foremost: Step)
        /// Send the chunk's present version.
        case publish(chunk: ChunkIndex, version: Step, to: [WorkerID])
        /// Every chunk hosted here has reached `version`.
        case reportApplied(version: Step)
    }

    private struct ChunkState: Sendable {
        var version: Step = 0
        /// Ascending, disjoint.
        var held: [TreeNode] = []
    }

    public let configuration: Configuration
    public private(set) var timeline: Timeline
    private var states: [ChunkState]
    private var subscribers: [(worker: WorkerID, fromVersion: Step)] = [] {
        didSet { readers = subscribers.map(\.worker) }
    }
    /// The subscribers, to be named in directives without being listed anew.
    private var readers: [WorkerID] = []
    private var rootedParameterChunks = 0
    /// The version of a requested capture that some chunks have not reached.
    private var requestedCapture: Step?
    /// The last held step that the coordinator has allowed to be applied.
    private var allowed: Step?
    private let parameterChunks: Int

    /// A shard that holds version 0 of the first timeline.
    public init(_ configuration: Configuration, timeline: Timeline = Timeline(rawValue: 1)) {
        self.configuration = configuration
        self.timeline = timeline
        states = Array(repeating: ChunkState(), count: configuration.chunks.count)
        parameterChunks = configuration.chunks.filter { $0 != configuration.statistics }.count
    }

    /// The version that every chunk has reached.
    public var version: Step { states.lazy.map(\.version).min() ?? 0 }

    /// The partitions that some chunk still misses for the present version, ascending: whom a stalled step waits for.
    public var missingPartitions: [Partition] {
        let now = version
        if now >= configuration.steps { return [] }
        var missing = Set<Partition>()
        for state in states where state.version == now {
            var next = 0
            for node in state.held {
                missing.formUnion(next..<node.lower)
                next = node.upper
            }
            missing.formUnion(next..<configuration.tree.partitions)
        }
        return missing.sorted()
    }

    /// The number of node values held; the shell's memory is this many chunks.
    public var heldNodes: Int { states.reduce(0) { $0 + $1.held.count } }

    /// The number of workers that are sent new versions.
    public var readerCount: Int { subscribers.count }

    /// Takes one event; appends what must be done to `directives`.
    public mutating func handle(_ event: Event, into directives: inout [Directive]) {
        switch event {
        case .pushed(let name): push(name, into: &directives)
        case .applyAllowed(let step, let timeline):
            if timeline == self.timeline && version == step && rootedParameterChunks == parameterChunks {
                allowed = step
                applyAll(step, into: &directives)
            }
        case .subscribed(let worker, let version): subscribe(worker, from: version, into: &directives)
        case .unsubscribed(let worker): subscribers.removeAll { $0.worker == worker }
        case .parametersRequested(let worker, let version, let chunks):
            for chunk in chunks {
                guard let place = place(of: chunk), states[place].version >= version else { continue }
                directives.append(.publish(chunk: chunk, version: states[place].version, to: [worker]))
            }
        case .captureRequested(let version): requestCapture(version, into: &directives)
        case .restored(let version, let timeline): restore(version, timeline, into: &directives)
        case .superseded(let step): supersede(step, into: &directives)
        }
    }

    private func place(of chunk: ChunkIndex) -> Int? {
        let chunks = configuration.chunks
        var (low, high) = (0, chunks.count)
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle] < chunk { low = middle + 1 } else { high = middle }
        }
        return low < chunks.count && chunks[low] == chunk ? low : nil
    }
}

// MARK: - Pushes

extension ShardMachine {
    private func reasonToDrop(_ name: PushName) -> DropReason? {
        if name.timeline != timeline { return .otherTimeline }
        guard let place = place(of: name.chunk) else { return .notHosted }
        guard configuration.tree.contains(name.node) else { return .notInTree }
        let version = states[place].version
        if name.step < version { return .applied }
        if name.step > version || version >= configuration.steps { return .ahead }
        if states[place].held.contains(where: { $0.covers(name.node) }) { return .covered }
        return nil
    }

    private mutating func push(_ name: PushName, into directives: inout [Directive]) {
        if let reason = reasonToDrop(name) { return directives.append(.drop(name, reason)) }
        guard let place = place(of: name.chunk) else { return }
        let inside = states[place].held.filter { name.node.covers($0) }
        if !inside.isEmpty {
            states[place].held.removeAll { name.node.covers($0) }
            directives.append(.discard(chunk: name.chunk, nodes: inside))
        }
        var (node, merged) = (name.node, [TreeNode]())
        while let (parent, sibling) = configuration.tree.parent(of: node), let index = states[place].held.firstIndex(of: sibling) {
            states[place].held.remove(at: index)
            merged.append(sibling)
            node = parent
        }
        let index = states[place].held.firstIndex { $0 > node } ?? states[place].held.endIndex
        states[place].held.insert(node, at: index)
        directives.append(.accept(chunk: name.chunk, merging: merged, yields: node))
        if node == configuration.tree.root { reachedRoot(place, into: &directives) }
    }

    private mutating func reachedRoot(_ place: Int, into directives: inout [Directive]) {
        let (chunk, step) = (configuration.chunks[place], states[place].version)
        if chunk == configuration.statistics {
            directives.append(.deliverStatistics(step: step))
            // A version that is probed is whole for whoever asks for it, its scalars' place included.
            if configuration.probes.isDue(at: step) && allowed != step { return }
            return advance(place, into: &directives)
        }
        directives.append(.rooted(chunk: chunk, step: step))
        guard configuration.isHeld(step) else {
            directives.append(.apply(chunk: chunk, step: step))
            return advance(place, into: &directives)
        }
        rootedParameterChunks += 1
        if rootedParameterChunks == parameterChunks { directives.append(.reportReduced(step: step)) }
    }

    private mutating func applyAll(_ step: Step, into directives: inout [Directive]) {
        rootedParameterChunks = 0
        for (place, chunk) in configuration.chunks.enumerated() {
            if chunk != configuration.statistics {
                directives.append(.apply(chunk: chunk, step: step))
            } else if states[place].version != step || states[place].held != [configuration.tree.root] {
                continue
            }
            advance(place, into: &directives)
        }
    }

    private mutating func supersede(_ step: Step, into directives: inout [Directive]) {
        guard states.allSatisfy({ $0.version == step }) else { return }
        rootedParameterChunks = 0
        for place in states.indices {
            let (chunk, held) = (configuration.chunks[place], states[place].held)
            if !held.isEmpty { directives.append(.discard(chunk: chunk, nodes: held)) }
            advance(place, into: &directives)
        }
    }

    private mutating func advance(_ place: Int, into directives: inout [Directive]) {
        let before = version
        states[place].held.removeAll(keepingCapacity: true)
        states[place].version += 1
        announce(place, into: &directives)
        if version > before { directives.append(.reportApplied(version: version)) }
    }

    /// Each chunk is copied when it reaches the version, at once where it has; where one has gone beyond, the capture is missed.
    private mutating func requestCapture(_ target: Step, into directives: inout [Directive]) {
        let parameters = configuration.chunks.indices.filter { configuration.chunks[$0] != configuration.statistics }
        guard let foremost = parameters.map({ states[$0].version }).max() else { return }
        guard foremost <= target else { return directives.append(.reportCaptureMissed(target: target, foremost: foremost)) }
        // A late request: a host that looked out for less than it was asked for last would miss it. The same again is copied again, for
        // what was copied may have been lost.
        if let requestedCapture, target < requestedCapture { return }
        for place in parameters where states[place].version == target {
            directives.append(.capture(chunk: configuration.chunks[place], version: target, .requested))
        }
        requestedCapture = target
    }

    /// Captures and publishes the present version of a chunk.
    private func announce(_ place: Int, into directives: inout [Directive]) {
        let (chunk, version) = (configuration.chunks[place], states[place].version)
        if chunk != configuration.statistics, let capture = configuration.captures.capture(at: version) {
            directives.append(.capture(chunk: chunk, version: version, .scheduled(complete: capture == .complete)))
        }
        if chunk != configuration.statistics && version == requestedCapture {
            directives.append(.capture(chunk: chunk, version: version, .requested))
        }
        if chunk != configuration.statistics && configuration.copiesProbed && configuration.probes.isDue(at: version) {
            directives.append(.capture(chunk: chunk, version: version, .probed))
        }
        let isForAll = subscribers.allSatisfy { $0.fromVersion <= version }
        let due = isForAll ? readers : subscribers.filter { $0.fromVersion <= version }.map(\.worker)
        if !due.isEmpty { directives.append(.publish(chunk: chunk, version: version, to: due)) }
    }
}

// MARK: - Readers and restarts

extension ShardMachine {
    private mutating func subscribe(_ worker: WorkerID, from version: Step, into directives: inout [Directive]) {
        subscribers.removeAll { $0.worker == worker }
        subscribers.append((worker, version))
        for (place, chunk) in configuration.chunks.enumerated() where states[place].version >= version {
            directives.append(.publish(chunk: chunk, version: states[place].version, to: [worker]))
        }
    }

    private mutating func restore(_ version: Step, _ timeline: Timeline, into directives: inout [Directive]) {
        self.timeline = timeline
        rootedParameterChunks = 0
        requestedCapture = nil
        allowed = nil
        // Whoever reads this timeline asks for it.
        subscribers = []
        for place in states.indices {
            let (chunk, held) = (configuration.chunks[place], states[place].held)
            if !held.isEmpty { directives.append(.discard(chunk: chunk, nodes: held)) }
            states[place] = ChunkState(version: version)
        }
        for place in states.indices { announce(place, into: &directives) }
        directives.append(.reportApplied(version: version))
    }
}

/// The name of a push; its value is a function of this name.
public struct PushName: Hashable, Codable, Sendable {
    public var timeline: Timeline
    public var step: Step
    public var chunk: ChunkIndex
    public var node: TreeNode

    public init(timeline: Timeline, step: Step, chunk: ChunkIndex, node: TreeNode) {
        self.timeline = timeline
        self.step = step
        self.chunk = chunk
        self.node = node
    }
}

/// Why a push does not count.
public enum DropReason: String, Hashable, Codable, Sendable, CaseIterable {
    /// Its step is applied already: a late duplicate.
    case applied
    /// A held node covers it: a duplicate.
    case covered
    /// It belongs to a history that a resume or rollback has ended.
    case otherTimeline
    /// It is of a version that this shard has not reached, which no worker can hold.
    case ahead
    /// Its range of partitions is no node of the tree.
    case notInTree
    /// The chunk is not hosted here.
    case notHosted
}
