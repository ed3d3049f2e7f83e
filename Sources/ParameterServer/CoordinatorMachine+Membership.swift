extension CoordinatorMachine {
    mutating func join(_ worker: WorkerID, at now: Instant, into directives: inout [Directive]) {
        if members.contains(where: { $0.id == worker }) { return }
        members.append(Member(id: worker, heard: now, partitions: [], fromStep: version))
        generation = generation.next
        record(worker, .joined, "", into: &directives)
        switch phase {
        case .gathering:
            guard members.count >= configuration.workersToStart else { return }
            phase = .running
            phaseStart = now
            stepStart = now
            deal(fromStep: version, into: &directives)
        case .running:
            // Chunks of version + 1 may exist already, so the newcomer takes part from the step after the one that is running; if it is
            // alone, there is no such step and it starts at once.
            let fromStep = members.count == 1 ? version : min(version + 1, configuration.steps)
            members[members.count - 1].fromStep = fromStep
            deal(fromStep: fromStep, into: &directives)
        case .ended: break
        }
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

    /// Cuts the partitions into contiguous ranges, one a member in order of joining.
    private mutating func deal(fromStep: Step, into directives: inout [Directive]) {
        let (count, partitions) = (members.count, configuration.partitions)
        for index in members.indices {
            members[index].partitions = Array(index * partitions / count..<(index + 1) * partitions / count)
            assign(index, fromStep: fromStep, into: &directives)
        }
    }

    /// Gives a lost worker's partitions to those with the fewest, at once: the survivors still hold the version they are needed for.
    /// Newcomers who were promised a later version are asked only when nobody else is left.
    private mutating func inherit(_ partitions: [Partition], into directives: inout [Directive]) {
        var changed = Set<Int>()
        let present = members.indices.filter { members[$0].fromStep <= version }
        let heirs = present.isEmpty ? Array(members.indices) : present
        for partition in partitions {
            guard let index = heirs.min(by: { (members[$0].partitions.count, $0) < (members[$1].partitions.count, $1) }) else { return }
            members[index].partitions.append(partition)
            changed.insert(index)
        }
        for index in changed.sorted() {
            members[index].partitions.sort()
            assign(index, fromStep: version, into: &directives)
        }
    }

    private func assign(_ index: Int, fromStep: Step, into directives: inout [Directive]) {
        let assignment = Assignment(
            timeline: timeline, generation: generation, fromStep: fromStep, partitions: members[index].partitions)
        directives.append(.assign(members[index].id, assignment, members: members.count))
    }

    private func record(_ worker: WorkerID, _ change: Membership.Change, _ reason: String, into directives: inout [Directive]) {
        directives.append(
            .recordMembership(
                Membership(
                    generation: generation, step: version, worker: worker, change: change, reason: reason, members: members.count)))
    }
}
