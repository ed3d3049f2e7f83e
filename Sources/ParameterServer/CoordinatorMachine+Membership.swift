extension CoordinatorMachine {
    mutating func join(_ worker: WorkerID, at now: Instant, into directives: inout [Directive]) {
        if members.contains(where: { $0.id == worker }) { return }
        members.append(Member(id: worker, heard: now))
        generation = generation.next
        record(worker, .joined, "", into: &directives)
        switch phase {
        case .running: assign(members.count - 1, into: &directives)
        case .bereft: isRestored ? place(at: now, into: &directives) : rollBack(at: now, into: &directives)
        case .rollingBack, .placing, .ended: break
        case .gathering: startIfEnough(at: now, into: &directives)
        }
    }

    mutating func startIfEnough(at now: Instant, into directives: inout [Directive]) {
        guard members.count >= configuration.workersToStart else { return }
        place(at: now, into: &directives)
    }

    /// Gives the shards their hosts, which begin with the timeline's first version.
    private mutating func place(at now: Instant, into directives: inout [Directive]) {
        isRestored = false
        guard configuration.placement == .workers else { return begin(at: now, into: &directives) }
        phase = .placing
        phaseStart = now
        nextWarning = configuration.deadlines.progress
        generation = generation.next
        hosts = members.prefix(configuration.hostsMax).map(\.id)
        placement = generation
        directives.append(.place(hosts: hosts, timeline: timeline, generation: generation))
    }

    /// The timeline's first step. Nothing moves before everybody has computed, so those who are here need not be synchronized one by one.
    mutating func begin(at now: Instant, into directives: inout [Directive]) {
        phase = .running
        (phaseStart, stepStart) = (now, now)
        nextWarning = progressDeadline
        for index in members.indices { members[index].isSynchronized = true }
        deal(into: &directives)
    }

    /// From its first whole version on a worker receives every later one in order, so it can be given work at any instant: for a step
    /// at which its predecessor has already stopped computing a partition, it will hold the version.
    mutating func synchronize(_ worker: WorkerID, into directives: inout [Directive]) {
        guard phase == .running, let index = members.firstIndex(where: { $0.id == worker }), !members[index].isSynchronized else {
            return
        }
        members[index].isSynchronized = true
        generation = generation.next
        deal(into: &directives)
    }

    /// A sign of life, and what the worker knows: what it has missed is said again.
    mutating func hear(_ worker: WorkerID, _ report: WorkerReport?, at now: Instant, into directives: inout [Directive]) {
        guard let index = members.firstIndex(where: { $0.id == worker }) else { return directives.append(.expel(worker)) }
        members[index].heard = now
        members[index].isStalled = false
        guard let report else { return }
        members[index].reported = report.timeline == timeline ? report.version : nil
        if report.timeline == timeline && report.version != nil { synchronize(worker, into: &directives) }
        guard let told = members[index].assignment, told.timeline != report.timeline || told.generation != report.generation else {
            return
        }
        directives.append(.assign(worker, told, members: members.count))
    }

    /// Whether the worker is a member that was silent for longer than heartbeats are apart.
    public func isStalled(_ worker: WorkerID) -> Bool { members.first { $0.id == worker }?.isStalled ?? false }

    mutating func remove(
        _ worker: WorkerID, _ change: Membership.Change, _ reason: String, at now: Instant, into directives: inout [Directive]
    ) {
        guard let index = members.firstIndex(where: { $0.id == worker }) else { return }
        let gone = members.remove(at: index)
        generation = generation.next
        directives.append(.unsubscribe(worker))
        record(worker, change, reason, into: &directives)
        lastLost = (worker, reason)
        guard phase == .running || phase == .placing else { return }
        if hosts.contains(worker) { return replaceHosts(at: now, into: &directives) }
        guard phase == .running else { return }
        if members.contains(where: \.isSynchronized) { return inherit(gone.partitions, into: &directives) }
        phase = .bereft
        phaseStart = now
        nextWarning = configuration.deadlines.progress
        if !members.isEmpty { rollBack(at: now, into: &directives) }
    }

    /// A host of shards is gone, and with it the only copy of its chunks: back to the last snapshot, on another timeline even where nothing
    /// has been computed yet. So a timeline has one map, and nobody can push by another one that a host left behind still goes by.
    private mutating func replaceHosts(at now: Instant, into directives: inout [Directive]) {
        guard members.isEmpty else { return rollBack(at: now, into: &directives) }
        phase = .bereft
        phaseStart = now
        nextWarning = configuration.deadlines.progress
    }

    /// With the last worker that held a whole version the means to recompute it are gone: back to the last snapshot.
    private mutating func rollBack(at now: Instant, into directives: inout [Directive]) {
        phase = .rollingBack
        phaseStart = now
        probing = nil
        rollbacksInARow += 1
        for index in members.indices { members[index].reported = nil }
        hosts = []
        timeline = timeline.next
        directives.append(.rollBack(timeline: timeline))
    }

    mutating func rolledBack(_ version: Step, _ timeline: Timeline, at now: Instant, into directives: inout [Directive]) {
        guard phase == .rollingBack else { return }
        self.timeline = timeline
        self.version = version
        // The version that a stop waits to see saved is the one that was just loaded.
        if let stopping { return end(.interrupted(reason: stopping.reason, snapshot: version), into: &directives) }
        isRestored = true
        guard !members.isEmpty else {
            phase = .bereft
            phaseStart = now
            nextWarning = configuration.deadlines.progress
            return
        }
        generation = generation.next
        place(at: now, into: &directives)
    }

    /// Takes work from members that do not hold the version it is for and have not come to hold it: frames lost with a connection may
    /// have carried what no shard has any more. When nobody holds it, the run goes back to the last snapshot.
    mutating func relieveThoseBehind(at now: Instant, into directives: inout [Directive]) {
        var freed: [Partition] = []
        for index in members.indices where members[index].isSynchronized && members[index].reported.map({ $0 < version }) ?? true {
            members[index].isSynchronized = false
            freed += members[index].partitions
            members[index].partitions = []
        }
        if freed.isEmpty && members.contains(where: \.isSynchronized) { return }
        generation = generation.next
        guard members.contains(where: \.isSynchronized) else { return rollBack(at: now, into: &directives) }
        for index in members.indices where !members[index].isSynchronized { assign(index, into: &directives) }
        inherit(freed.sorted(), into: &directives)
    }

    mutating func endWithoutWorkers(at now: Instant, into directives: inout [Directive]) {
        guard let lastLost else {
            let failure = Failure.notEnoughWorkers(
                present: members.count, needed: configuration.workersToStart, waited: now - phaseStart)
            return end(.failed(failure), into: &directives)
        }
        end(.failed(.allWorkersLost(last: lastLost.worker, reason: lastLost.reason, step: version)), into: &directives)
    }

    /// Cuts the partitions into contiguous ranges, one a synchronized member in order of joining.
    private mutating func deal(into directives: inout [Directive]) {
        let able = members.indices.filter { members[$0].isSynchronized }
        for (place, index) in able.enumerated() {
            members[index].partitions = Array(
                place * configuration.partitions / able.count..<(place + 1) * configuration.partitions / able.count)
            assign(index, into: &directives)
        }
    }

    /// Gives a lost worker's partitions to those with the fewest, at once: the survivors still hold the version they are needed for.
    private mutating func inherit(_ partitions: [Partition], into directives: inout [Directive]) {
        var changed = Set<Int>()
        for partition in partitions {
            let able = members.indices.filter { members[$0].isSynchronized }
            guard let heir = able.min(by: { (members[$0].partitions.count, $0) < (members[$1].partitions.count, $1) }) else {
                return
            }
            members[heir].partitions.append(partition)
            members[heir].partitions.sort()
            changed.insert(heir)
        }
        for index in changed.sorted() { assign(index, into: &directives) }
    }

    private mutating func assign(_ index: Int, into directives: inout [Directive]) {
        let assignment = Assignment(
            timeline: timeline, generation: generation, fromStep: version, partitions: members[index].partitions)
        members[index].assignment = assignment
        directives.append(.assign(members[index].id, assignment, members: members.count))
    }

    private func record(_ worker: WorkerID, _ change: Membership.Change, _ reason: String, into directives: inout [Directive]) {
        directives.append(
            .recordMembership(
                Membership(
                    generation: generation, step: version, worker: worker, change: change, reason: reason, members: members.count)))
    }
}
