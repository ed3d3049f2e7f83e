import ParameterServer
import Testing

@Suite("The coordinator")
struct CoordinatorMachineTests {
    static let (a, b, c) = (WorkerID(rawValue: 1), WorkerID(rawValue: 2), WorkerID(rawValue: 3))

    static func at(_ seconds: Double) -> Instant { Instant(sinceStart: .seconds(seconds)) }

    static func machine(partitions: Int = 4, workers: Int = 2, twoPhase: Bool = true, steps: Step = 3) -> CoordinatorMachine {
        CoordinatorMachine(
            .init(partitions: partitions, steps: steps, workersToStart: workers, twoPhase: twoPhase), now: at(0))
    }

    static func handle(_ machine: inout CoordinatorMachine, _ event: CoordinatorMachine.Event, _ seconds: Double = 0)
        -> [CoordinatorMachine.Directive]
    {
        var directives: [CoordinatorMachine.Directive] = []
        machine.handle(event, at: at(seconds), into: &directives)
        return directives
    }

    static func assigned(_ directives: [CoordinatorMachine.Directive]) -> [WorkerID: [Partition]] {
        var result: [WorkerID: [Partition]] = [:]
        for case .assign(let worker, let assignment, _) in directives { result[worker] = assignment.partitions }
        return result
    }

    static func running() -> CoordinatorMachine {
        var machine = machine()
        _ = handle(&machine, .joined(a))
        _ = handle(&machine, .joined(b))
        return machine
    }

    @Test("deals contiguous partitions when enough workers have joined")
    func starts() {
        var machine = Self.machine()
        #expect(Self.assigned(Self.handle(&machine, .joined(Self.a))).isEmpty)
        let directives = Self.handle(&machine, .joined(Self.b))
        #expect(Self.assigned(directives) == [Self.a: [0, 1], Self.b: [2, 3]])
    }

    @Test("lets a worker stand by when there are more workers than partitions")
    func standby() {
        var machine = Self.machine(partitions: 1)
        _ = Self.handle(&machine, .joined(Self.a))
        #expect(Self.assigned(Self.handle(&machine, .joined(Self.b))) == [Self.a: [], Self.b: [0]])
    }

    @Test("leads the two phases of a step")
    func phases() {
        var machine = Self.running()
        #expect(Self.handle(&machine, .shardReduced(step: 0)) == [.judgeGradient(step: 0)])
        #expect(Self.handle(&machine, .gradientAccepted(step: 0)) == [.allowApply(step: 0, timeline: Timeline(rawValue: 1))])
        #expect(Self.handle(&machine, .shardApplied(version: 1)) == [.stepDone(version: 1)])
        #expect(Self.handle(&machine, .shardReduced(step: 0)).isEmpty, "an applied step is not judged again")
        #expect(machine.version == 1)
    }

    @Test("ends with the last version")
    func finishes() {
        var machine = Self.running()
        for version: Step in 1...3 {
            let directives = Self.handle(&machine, .shardApplied(version: version))
            #expect(directives.contains(.end(.finished)) == (version == 3))
        }
        #expect(Self.handle(&machine, .joined(Self.c)).isEmpty)
    }

    @Test("stops before a gradient that is not finite is applied")
    func notFinite() {
        var machine = Self.running()
        let directives = Self.handle(&machine, .gradientRefused(step: 0, reason: "NaN"))
        #expect(directives == [.end(.failed(.gradientNotFinite(step: 0, reason: "NaN")))])
    }

    @Test("hands a silent worker's partitions to the survivors at once")
    func lost() {
        var machine = Self.running()
        for second in 1...9 {
            _ = Self.handle(&machine, .heard(Self.a, nil), Double(second) - 0.01)
            let directives = Self.handle(&machine, .ticked, Double(second))
            if second == 2 {
                #expect(directives == [.warnWait(.init(subject: .heartbeat(Self.b), waited: .seconds(2)))])
            } else if second <= 8 {
                #expect(directives.isEmpty)
            } else {
                #expect(directives.contains(.unsubscribe(Self.b)))
                #expect(Self.assigned(directives) == [Self.a: [0, 1, 2, 3]])
                guard case .recordMembership(let row)? = directives.dropFirst().first else { return #expect(Bool(false)) }
                #expect(row.change == .lost && row.worker == Self.b && row.members == 1)
            }
        }
    }

    @Test("forgives everybody the time during which it was stopped itself")
    func stopped() {
        var machine = Self.running()
        _ = Self.handle(&machine, .ticked, 1)
        #expect(Self.handle(&machine, .ticked, 500).isEmpty)
        #expect(machine.assignments.count == 2)
    }

    @Test("lets a newcomer read along first, and gives it work once it holds a whole version")
    func joins() {
        var machine = Self.running()
        _ = Self.handle(&machine, .shardApplied(version: 1))
        let reading = Self.handle(&machine, .joined(Self.c))
        #expect(Self.assigned(reading) == [Self.c: []])
        for case .assign(_, let assignment, _) in reading { #expect(assignment.fromStep == 1) }
        #expect(Self.assigned(Self.handle(&machine, .synchronized(Self.c))) == [Self.a: [0], Self.b: [1], Self.c: [2, 3]])
        #expect(Self.handle(&machine, .synchronized(Self.c)).isEmpty)
    }

    @Test("leaves a newcomer that holds nothing out of an inheritance")
    func inheritance() {
        var machine = Self.running()
        _ = Self.handle(&machine, .joined(Self.c))
        #expect(Self.assigned(Self.handle(&machine, .left(Self.b, reason: "gone"))) == [Self.a: [0, 1, 2, 3]])
    }

    @Test("waits for others when nobody is left, and ends, naming the last worker, when nobody can come")
    func nobody() {
        var machine = Self.running()
        _ = Self.handle(&machine, .left(Self.a, reason: "exit 1"))
        let lost = Self.handle(&machine, .left(Self.b, reason: "killed"))
        #expect(!lost.contains { if case .end = $0 { true } else { false } })
        let directives = Self.handle(&machine, .workersExhausted)
        #expect(directives == [.end(.failed(.allWorkersLost(last: Self.b, reason: "killed", step: 0)))])
    }

    @Test("rolls back to the last snapshot, on a new timeline, for whoever comes after everybody was lost")
    func rollsBack() {
        var machine = Self.running()
        for version: Step in 1...2 { _ = Self.handle(&machine, .shardApplied(version: version)) }
        for worker in [Self.a, Self.b] { _ = Self.handle(&machine, .left(worker, reason: "killed")) }
        let second = Timeline(rawValue: 2)
        #expect(Self.handle(&machine, .joined(Self.c)).last == .rollBack(timeline: second))
        #expect(Self.handle(&machine, .shardApplied(version: 3)).isEmpty, "the past is void")
        let directives = Self.handle(&machine, .rolledBack(version: 1, timeline: second))
        #expect(Self.assigned(directives) == [Self.c: [0, 1, 2, 3]])
        for case .assign(_, let assignment, _) in directives { #expect(assignment.fromStep == 1 && assignment.timeline == second) }
        #expect(machine.version == 1)
    }

    @Test("says again what a worker has missed, and sends a stranger back to the door")
    func repeats() {
        var machine = Self.running()
        let old = WorkerReport(timeline: Timeline(rawValue: 1), generation: Generation(rawValue: 1), version: 0)
        #expect(Self.assigned(Self.handle(&machine, .heard(Self.a, old))) == [Self.a: [0, 1]])
        let new = WorkerReport(timeline: Timeline(rawValue: 1), generation: machine.generation, version: 0)
        #expect(Self.handle(&machine, .heard(Self.a, new)).isEmpty)
        #expect(Self.handle(&machine, .heard(Self.c, new)) == [.expel(Self.c)])
    }

    @Test("asks for a snapshot before it ends on request, but not for ever")
    func stops() {
        var machine = Self.running()
        #expect(Self.handle(&machine, .stopRequested(reason: "Ctrl-C")) == [.requestSnapshot])
        #expect(Self.handle(&machine, .stopRequested(reason: "Ctrl-C")).isEmpty)
        var patient = machine
        #expect(Self.handle(&machine, .snapshotEnded(version: 1)) == [.end(.interrupted(reason: "Ctrl-C", snapshot: 1))])
        var endings: [CoordinatorMachine.Directive] = []
        for second in 1...31 {
            for worker in [Self.a, Self.b] { _ = Self.handle(&patient, .heard(worker, nil), Double(second)) }
            endings += Self.handle(&patient, .ticked, Double(second)).filter { if case .end = $0 { true } else { false } }
        }
        #expect(endings == [.end(.interrupted(reason: "Ctrl-C", snapshot: nil))])
    }

    @Test("gives up when too few workers come, and says so before")
    func gathering() {
        var machine = Self.machine()
        _ = Self.handle(&machine, .joined(Self.a))
        var warnings = 0
        for second in 1...130 {
            _ = Self.handle(&machine, .heard(Self.a, nil), Double(second))
            for directive in Self.handle(&machine, .ticked, Double(second)) {
                if case .warnWait(let wait) = directive {
                    warnings += 1
                    #expect(wait.subject == .workersToJoin(present: 1, needed: 2))
                }
                if case .end(let outcome) = directive {
                    #expect(outcome == .failed(.notEnoughWorkers(present: 1, needed: 2, waited: .seconds(121))))
                    #expect(warnings == 2)
                    return
                }
            }
        }
        #expect(Bool(false), "it waited for ever")
    }

    @Test("names a step that takes too long, again after twice the time")
    func slowStep() {
        var machine = Self.running()
        var warned: [Int] = []
        for second in 1...130 {
            for worker in [Self.a, Self.b] {
                _ = Self.handle(
                    &machine,
                    .heard(worker, WorkerReport(timeline: Timeline(rawValue: 1), generation: machine.generation, version: 0)),
                    Double(second))
            }
            if Self.handle(&machine, .ticked, Double(second)).contains(where: { if case .warnWait = $0 { true } else { false } }) {
                warned.append(second)
            }
        }
        #expect(warned == [31, 61, 121])
    }
}
