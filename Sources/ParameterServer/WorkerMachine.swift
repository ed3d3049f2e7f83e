/// The protocol of a worker: which version it holds, what to compute and push for it, when it moves on.
///
/// A worker keeps version `t` until it holds every chunk of `t + 1`. What it computes depends on the version and on its partitions;
/// an assignment may change at any instant. It may begin to compute with `t + 1` while chunks of it are still on their way, but sends
/// nothing of that before it has moved on: until then it can be asked for gradients of `t`.
public struct WorkerMachine: Sendable {
    /// What happens to a worker.
    public enum Event: Hashable, Sendable {
        case assigned(Assignment)
        /// A chunk's new version arrived; its payload waits in the shell until the directive that answers it.
        case parametersArrived(chunk: ChunkIndex, version: Step, timeline: Timeline)
        /// The gradient of `node` at `step` is final in this chunk, added along the tree, while other chunks may still be computed.
        case chunkComputed(step: Step, node: TreeNode, chunk: ChunkIndex)
        /// The gradient of `node` at `step` is final in every chunk, of which each has been told, and so are its scalars.
        case computed(step: Step, node: TreeNode)
        /// The chunks of the next version have been awaited for too long.
        case waitedTooLong
    }

    /// What the shell must do, in order.
    public enum Directive: Hashable, Sendable {
        /// Ask every shard host for this version and all later ones.
        case subscribe(fromVersion: Step, timeline: Timeline)
        /// Tell the coordinator that a whole version is held for the first time on this timeline.
        case reportSynchronized(version: Step)
        /// Copy the payload at hand into the buffer of `version`.
        case store(chunk: ChunkIndex, version: Step)
        /// Forget the payload at hand.
        case drop(chunk: ChunkIndex, version: Step)
        /// The buffer of `version` is complete and is now the one to compute with.
        case advance(to: Step)
        /// Compute the gradient of `node` with version `step`, added along the tree; report `.chunkComputed` for every chunk as soon as it
        /// is final, then `.computed`. Of the incoming version, each chunk must be waited for before it is read.
        case compute(step: Step, node: TreeNode)
        /// What was begun of `step`, the incoming version, is void: end it, wait for no chunk of it, report nothing of it any more.
        case abandon(step: Step)
        /// Send one chunk of the gradient of `node`, of which the shell has been told.
        case push(step: Step, node: TreeNode, chunk: ChunkIndex, timeline: Timeline)
        /// Send the scalars of `node`.
        case pushScalars(step: Step, node: TreeNode, timeline: Timeline)
        /// Forget the gradient of `node`: what was to be sent of it has been.
        case release(step: Step, node: TreeNode)
        /// Ask the shards for these chunks again.
        case requestParameters(version: Step, chunks: [ChunkIndex])
    }

    private struct Work: Hashable, Sendable {
        var step: Step
        var node: TreeNode
    }

    private let tree: ReductionTree
    private let frameCount: Int
    private let steps: Step
    private var assignment: Assignment?
    /// The version whose chunks are complete and in use.
    public private(set) var version: Step?
    /// The version that is being received, how many of its chunks are not here, and how many are, from the first on without a gap.
    private var incoming: (version: Step, missing: Int, prefix: Int)?
    /// Which chunks of the incoming version are here.
    private var present: [Bool]
    private var timeline: Timeline?
    /// Partitions computed, or being computed, at `version`, ascending.
    private var covered: [Partition] = []
    private var computing: [Work] = []
    /// What was begun of the incoming version, and what has come of it so far.
    private var ahead: (nodes: [TreeNode], held: [Event])?
    private let startsAhead: Bool
    /// Whether a version beyond the awaited one came while lanes were reading, and was dropped for want of a place.
    private var isOvertaken = false
    /// How often the wait for the incoming version has been too long.
    private var waits = 0

    /// A worker that holds nothing yet. `frameCount` counts the chunks of parameters and the statistics chunk; with `startsAhead` a
    /// version is computed with from its first chunk on.
    public init(tree: ReductionTree, frameCount: Int, steps: Step, startsAhead: Bool = false) {
        self.tree = tree
        self.startsAhead = startsAhead
        self.frameCount = frameCount
        self.steps = steps
        present = Array(repeating: false, count: frameCount)
    }

    /// The timeline of the assignment in force.
    public var currentTimeline: Timeline? { timeline }

    /// The generation of the assignment in force.
    public var currentGeneration: Generation? { assignment?.generation }

    /// The chunks of the next version that have not arrived, ascending.
    public var missingChunks: [ChunkIndex] {
        if incoming == nil { return [] }
        return present.indices.filter { !present[$0] }.map { ChunkIndex(rawValue: UInt32($0)) }
    }

    /// The version that is being received.
    public var incomingVersion: Step? { incoming?.version }

    /// How many chunks of the incoming version are here, from the first on without a gap.
    public var arrivedPrefix: Int { incoming?.prefix ?? 0 }

    /// Whether `.parametersArrived` would be answered by `.store`.
    public func awaits(_ chunk: ChunkIndex, version: Step, timeline: Timeline) -> Bool {
        guard timeline == self.timeline, let incoming, Int(chunk.rawValue) < frameCount else { return false }
        if version > incoming.version { return computing.isEmpty }
        return version == incoming.version && !present[Int(chunk.rawValue)]
    }

    /// Takes one event; appends what must be done to `directives`.
    public mutating func handle(_ event: Event, into directives: inout [Directive]) {
        switch event {
        case .assigned(let assignment): assign(assignment, into: &directives)
        case .parametersArrived(let chunk, let version, let timeline):
            receive(chunk, version, timeline, into: &directives)
        case .chunkComputed(let step, let node, _), .computed(let step, let node):
            if step == incoming?.version, ahead?.nodes.contains(node) == true {
                ahead?.held.append(event)
            } else if case .chunkComputed(_, _, let chunk) = event {
                push(step, node, chunk, into: &directives)
            } else {
                finish(step, node, into: &directives)
            }
        case .waitedTooLong: askAgain(into: &directives)
        }
    }

    /// A frame may be lost with its connection: asks for what is missing, and, at waits that double, computes and pushes again what
    /// may not have arrived. A push that did arrive is dropped by its name.
    private mutating func askAgain(into directives: inout [Directive]) {
        guard let incoming, incoming.missing > 0, computing.isEmpty, let timeline else { return }
        waits += 1
        guard version != nil else {
            return directives.append(.subscribe(fromVersion: incoming.version, timeline: timeline))
        }
        directives.append(.requestParameters(version: incoming.version, chunks: missingChunks))
        guard waits >= 2, waits.nonzeroBitCount == 1 else { return }
        covered = []
        startComputing(into: &directives)
    }

    private mutating func assign(_ assignment: Assignment, into directives: inout [Directive]) {
        if let timeline, assignment.timeline < timeline { return }
        if timeline != assignment.timeline {
            // A new history: what was held or half received is void. A running computation ends first; its result is discarded.
            abandonAhead(into: &directives)
            timeline = assignment.timeline
            self.assignment = nil
            version = nil
            covered = []
            isOvertaken = false
            expect(assignment.fromStep)
            directives.append(.subscribe(fromVersion: assignment.fromStep, timeline: assignment.timeline))
        }
        if let present = self.assignment, assignment.generation <= present.generation { return }
        self.assignment = assignment
        startComputing(into: &directives)
    }

    private mutating func expect(_ version: Step) {
        waits = 0
        incoming = (version, frameCount, 0)
        for index in present.indices { present[index] = false }
    }

    private mutating func receive(_ chunk: ChunkIndex, _ version: Step, _ timeline: Timeline, into directives: inout [Directive]) {
        // No step ends without the workers it needs: a version beyond the awaited one says that this worker was not needed and fell behind.
        if timeline == self.timeline, let incoming, version > incoming.version {
            if computing.isEmpty {
                abandonAhead(into: &directives)
                expect(version)
            } else {
                isOvertaken = true
            }
        }
        guard timeline == self.timeline, let incoming, incoming.version == version,
            Int(chunk.rawValue) < frameCount, !present[Int(chunk.rawValue)]
        else { return directives.append(.drop(chunk: chunk, version: version)) }
        present[Int(chunk.rawValue)] = true
        var prefix = incoming.prefix
        while prefix < frameCount, present[prefix] { prefix += 1 }
        self.incoming = (version, incoming.missing - 1, prefix)
        directives.append(.store(chunk: chunk, version: version))
        advanceIfComplete(into: &directives)
        startAhead(into: &directives)
    }

    /// Moves to the incoming version once it is complete and no lane reads the old one.
    private mutating func advanceIfComplete(into directives: inout [Directive]) {
        guard let incoming, incoming.missing == 0, computing.isEmpty else { return }
        if version == nil { directives.append(.reportSynchronized(version: incoming.version)) }
        version = incoming.version
        let begun = ahead
        ahead = nil
        covered.removeAll(keepingCapacity: true)
        for node in begun?.nodes ?? [] {
            computing.append(Work(step: incoming.version, node: node))
            covered.append(contentsOf: node.partitions)
        }
        expect(incoming.version + 1)
        directives.append(.advance(to: incoming.version))
        startComputing(into: &directives)
        for event in begun?.held ?? [] { handle(event, into: &directives) }
    }

    /// Begins with the incoming version while chunks of it, or the statistics, are still on their way: forward needs the first layers first.
    private mutating func startAhead(into directives: inout [Directive]) {
        guard startsAhead, ahead == nil, computing.isEmpty, version != nil, let assignment, let incoming, incoming.missing > 0,
            incoming.prefix > 0, incoming.version < steps
        else { return }
        let nodes = tree.maximalNodes(of: assignment.partitions)
        if nodes.isEmpty { return }
        ahead = (nodes, [])
        for node in nodes { directives.append(.compute(step: incoming.version, node: node)) }
    }

    /// A lane that waits for chunks of the next version must not keep what they wait for from being computed.
    private mutating func abandonAhead(into directives: inout [Directive]) {
        guard ahead != nil, let incoming else { return }
        ahead = nil
        directives.append(.abandon(step: incoming.version))
    }

    private mutating func startComputing(into directives: inout [Directive]) {
        guard let version, version < steps, let assignment else { return }
        let fresh = assignment.partitions.filter { !covered.contains($0) }
        if !fresh.isEmpty { abandonAhead(into: &directives) }
        for node in tree.maximalNodes(of: fresh) {
            covered.append(contentsOf: node.partitions)
            computing.append(Work(step: version, node: node))
            directives.append(.compute(step: version, node: node))
        }
    }

    /// A chunk whose next version is here is not awaited by anybody.
    private func push(_ step: Step, _ node: TreeNode, _ chunk: ChunkIndex, into directives: inout [Directive]) {
        guard let timeline, incoming != nil, step == version, computing.contains(Work(step: step, node: node)),
            Int(chunk.rawValue) < frameCount, !present[Int(chunk.rawValue)]
        else { return }
        directives.append(.push(step: step, node: node, chunk: chunk, timeline: timeline))
    }

    private mutating func finish(_ step: Step, _ node: TreeNode, into directives: inout [Directive]) {
        guard let index = computing.firstIndex(of: Work(step: step, node: node)) else {
            return directives.append(.release(step: step, node: node))
        }
        computing.remove(at: index)
        if let timeline, step == version, incoming?.missing != 0 {
            directives.append(.pushScalars(step: step, node: node, timeline: timeline))
        }
        directives.append(.release(step: step, node: node))
        let wasOvertaken = isOvertaken && computing.isEmpty
        advanceIfComplete(into: &directives)
        if !wasOvertaken { startAhead(into: &directives) }
        // What was dropped meanwhile is sent by nobody else's will: asked for at once, not after a wait.
        guard wasOvertaken, let incoming, version != nil else { return }
        isOvertaken = false
        if incoming.missing > 0 { directives.append(.requestParameters(version: incoming.version, chunks: missingChunks)) }
    }
}

/// Which partitions a worker computes, from now on.
public struct Assignment: Hashable, Codable, Sendable {
    public var timeline: Timeline
    public var generation: Generation
    /// The version that the coordinator knows to be complete: a worker that holds nothing asks for it and all later ones.
    public var fromStep: Step
    /// Ascending, without repeats; empty for a worker that stands by.
    public var partitions: [Partition]

    public init(timeline: Timeline, generation: Generation, fromStep: Step, partitions: [Partition]) {
        self.timeline = timeline
        self.generation = generation
        self.fromStep = fromStep
        self.partitions = partitions
    }
}
