extension CoordinatorMachine {
    mutating func tick(_ now: Instant, into directives: inout [Directive]) {
        if let lastTick { forgive(now - lastTick) }
        lastTick = now
        for member in members where now - member.heard > configuration.deadlines.liveness {
            remove(member.id, .lost, "not heard of for \(now - member.heard)", at: now, into: &directives)
            if phase == .ended { return }
        }
        switch phase {
        case .gathering: judgeGathering(now, into: &directives)
        case .running: judgeProgress(now, into: &directives)
        case .ended: break
        }
    }

    /// Time during which this process was stopped counts against nobody.
    private mutating func forgive(_ gap: Duration) {
        guard gap > configuration.deadlines.heartbeat else { return }
        for index in members.indices { members[index].heard = members[index].heard + gap }
        phaseStart = phaseStart + gap
        stepStart = stepStart + gap
    }

    private mutating func judgeGathering(_ now: Instant, into directives: inout [Directive]) {
        let (waited, needed) = (now - phaseStart, configuration.workersToStart)
        if waited > configuration.deadlines.join {
            end(.failed(.notEnoughWorkers(present: members.count, needed: needed, waited: waited)), into: &directives)
        } else if waited > nextWarning {
            nextWarning = nextWarning * 2
            directives.append(.warnWait(Wait(subject: .workersToJoin(present: members.count, needed: needed), waited: waited)))
        }
    }

    private mutating func judgeProgress(_ now: Instant, into directives: inout [Directive]) {
        let waited = now - stepStart
        guard waited > nextWarning else { return }
        nextWarning = nextWarning * 2
        directives.append(.warnWait(Wait(subject: .gradients(step: version), waited: waited)))
    }
}
