extension CoordinatorMachine {
    mutating func join(_ worker: WorkerID, at now: Instant, into directives: inout [Directive]) {
        if members.contains(where: { $0.id == worker }) { return }
        members.append(Member(id: worker, heard: now))
        generation = generation.next
        record(worker, .joined, "", into: &directives)
        switch phase {
        case .running: assign(members.count - 1, into: &directives)
        case .ended: break
        case .gathering:
            guard members.count >= configuration.workersToStart else { return }
            phase = .running
            phaseStart = now
            stepStart = now
            // Nothing moves before everybody has computed, so the first workers need not be synchronized one by one.
            for index in members.indices { members[index].isSynchronized = true }
            deal(into: &directives)
        }
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

    mutating func remove(
        _ worker: WorkerID, _ change: Membership.Change, _ reason: String, at now: Instant, into directives: inout [Directive]
    ) {
        guard let index = members.firstIndex(where: { $0.id == worker }) else { return }
        let gone = members.remove(at: index)
        generation = generation.next
        directives.append(.unsubscribe(worker))
        record(worker, change, reason, into: &directives)
        guard phase == .running else { return }
        if members.isEmpty {
            return end(.failed(.allWorkersLost(last: worker, reason: reason, step: version)), into: &directives)
        }
        inherit(gone.partitions, into: &directives)
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

    private func assign(_ index: Int, into directives: inout [Directive]) {
        let assignment = Assignment(
            timeline: timeline, generation: generation, fromStep: version, partitions: members[index].partitions)
        directives.append(.assign(members[index].id, assignment, members: members.count))
    }

    private func record(_ worker: WorkerID, _ change: Membership.Change, _ reason: String, into directives: inout [Directive]) {
        directives.append(
            .recordMembership(
                Membership(
                    generation: generation, step: version, worker: worker, change: change, reason: reason, members: members.count)))
    }
}
