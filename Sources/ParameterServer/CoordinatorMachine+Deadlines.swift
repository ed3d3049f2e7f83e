extension CoordinatorMachine {
    mutating func tick(_ now: Instant, into directives: inout [Directive]) {
        if let lastTick { forgive(now - lastTick, now) }
        lastTick = now
        warnOfStalls(now, into: &directives)
        for member in members where now - member.heard > configuration.deadlines.liveness {
            remove(member.id, .lost, "not heard of for \(now - member.heard)", at: now, into: &directives)
            if phase == .ended { return }
        }
        switch phase {
        case .gathering: judgeGathering(now, into: &directives)
        case .running: judgeProgress(now, into: &directives)
        case .bereft: judgeBereavement(now, into: &directives)
        case .rollingBack: judgePreparation(.snapshotInPlace, now, into: &directives)
        case .placing: judgePreparation(.shardsInPlace, now, into: &directives)
        case .ended: break
        }
    }

    /// Names a worker as soon as a heartbeat is overdue, within two heartbeats of the last.
    private mutating func warnOfStalls(_ now: Instant, into directives: inout [Directive]) {
        for index in members.indices where !members[index].isStalled {
            let silence = now - members[index].heard
            guard silence > configuration.deadlines.heartbeat * 7 / 4 else { continue }
            members[index].isStalled = true
            directives.append(.warnWait(Wait(subject: .heartbeat(members[index].id), waited: silence)))
        }
    }

    private mutating func judgeBereavement(_ now: Instant, into directives: inout [Directive]) {
        let waited = now - phaseStart
        if let stopping, now - stopping.since > configuration.deadlines.liveness {
            return end(.interrupted(reason: stopping.reason, snapshot: nil), into: &directives)
        }
        if waited > configuration.deadlines.join { return endWithoutWorkers(at: now, into: &directives) }
        guard waited > nextWarning else { return }
        nextWarning = nextWarning * 2
        directives.append(.warnWait(Wait(subject: .workersToJoin(present: 0, needed: 1), waited: waited)))
    }

    private mutating func judgePreparation(_ subject: Wait.Subject, _ now: Instant, into directives: inout [Directive]) {
        let waited = now - phaseStart
        guard waited > nextWarning else { return }
        nextWarning = nextWarning * 2
        directives.append(.warnWait(Wait(subject: subject, waited: waited)))
    }

    /// Time during which this process was stopped counts against nobody.
    private mutating func forgive(_ gap: Duration, _ now: Instant) {
        guard gap > configuration.deadlines.heartbeat else { return }
        // What was heard when the inbox was drained is as of now, and nothing is of the future.
        for index in members.indices { members[index].heard = min(now, members[index].heard + gap) }
        phaseStart = min(now, phaseStart + gap)
        stepStart = min(now, stepStart + gap)
        if let probing { self.probing = (probing.version, min(now, probing.since + gap)) }
        if let stopping { self.stopping = (stopping.reason, min(now, stopping.since + gap)) }
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
        if let stopping, now - stopping.since > progressDeadline {
            return end(.interrupted(reason: stopping.reason, snapshot: nil), into: &directives)
        }
        if let probing {
            guard now - probing.since > nextWarning else { return }
            nextWarning = nextWarning * 2
            return directives.append(.warnWait(Wait(subject: .probe(version: probing.version), waited: now - probing.since)))
        }
        let waited = now - stepStart
        guard waited > nextWarning else { return }
        nextWarning = nextWarning * 2
        directives.append(.warnWait(Wait(subject: .gradients(step: version), waited: waited)))
        relieveThoseBehind(at: now, into: &directives)
    }
}
