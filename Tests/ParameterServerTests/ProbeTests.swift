import ParameterServer
import Testing

@Suite("A version that is probed")
struct ProbeTests {
    private static let (a, b) = (WorkerID(rawValue: 1), WorkerID(rawValue: 2))
    private static let timeline = Timeline(rawValue: 1)

    private static func coordinator(every: Step, steps: Step = 3) -> CoordinatorMachine {
        var machine = CoordinatorMachine(
            .init(
                partitions: 2, steps: steps, workersToStart: 2, twoPhase: false, probes: ProbeSchedule(every: every, last: steps)),
            now: CoordinatorMachineTests.at(0))
        _ = CoordinatorMachineTests.handle(&machine, .joined(a))
        _ = CoordinatorMachineTests.handle(&machine, .joined(b))
        return machine
    }

    @Test("is due at multiples and at the end, or never")
    func schedule() {
        let schedule = ProbeSchedule(every: 4, last: 10)
        #expect((0...10).filter { schedule.isDue(at: $0) } == [0, 4, 8, 10])
        #expect(!ProbeSchedule(every: 0, last: 10).isDue(at: 10))
    }

    @Test("stands still until the probe has ended, and only then is its step applied")
    func coordinates() {
        var machine = Self.coordinator(every: 2)
        #expect(CoordinatorMachineTests.handle(&machine, .shardReduced(step: 0)) == [.judgeGradient(step: 0)])
        #expect(CoordinatorMachineTests.handle(&machine, .gradientAccepted(step: 0)) == [.probe(version: 0)])
        #expect(CoordinatorMachineTests.handle(&machine, .gradientAccepted(step: 0)).isEmpty)
        #expect(CoordinatorMachineTests.handle(&machine, .probed(version: 1)).isEmpty, "the answer to another probe is none")
        #expect(
            CoordinatorMachineTests.handle(&machine, .probed(version: 0)) == [.allowApply(step: 0, timeline: Self.timeline)])
        #expect(CoordinatorMachineTests.handle(&machine, .probed(version: 0)).isEmpty)
    }

    @Test("is probed at the last version before the run ends")
    func last() {
        var machine = Self.coordinator(every: 2, steps: 1)
        _ = CoordinatorMachineTests.handle(&machine, .gradientAccepted(step: 0))
        _ = CoordinatorMachineTests.handle(&machine, .probed(version: 0))
        #expect(CoordinatorMachineTests.handle(&machine, .shardApplied(version: 1)) == [.stepDone(version: 1), .probe(version: 1)])
        #expect(CoordinatorMachineTests.handle(&machine, .probed(version: 1)) == [.end(.finished)])
    }

    @Test("has its probe's wait named, and nobody's work taken for it")
    func waits() {
        var machine = Self.coordinator(every: 1)
        _ = CoordinatorMachineTests.handle(&machine, .gradientAccepted(step: 0), 1)
        var warned: [CoordinatorMachine.Wait.Subject] = []
        for second in 1...70 {
            for worker in [Self.a, Self.b] {
                let report = WorkerReport(timeline: Self.timeline, generation: machine.generation, version: 0)
                _ = CoordinatorMachineTests.handle(&machine, .heard(worker, report), Double(second))
            }
            for directive in CoordinatorMachineTests.handle(&machine, .ticked, Double(second)) {
                if case .warnWait(let wait) = directive { warned.append(wait.subject) } else { Issue.record("\(directive)") }
            }
        }
        #expect(warned == [.probe(version: 0), .probe(version: 0)])
    }

    @Test("is given up with the history it belongs to")
    func rollback() {
        var machine = Self.coordinator(every: 1)
        _ = CoordinatorMachineTests.handle(&machine, .gradientAccepted(step: 0))
        _ = CoordinatorMachineTests.handle(&machine, .left(Self.a, reason: "gone"))
        _ = CoordinatorMachineTests.handle(&machine, .left(Self.b, reason: "gone"))
        _ = CoordinatorMachineTests.handle(&machine, .joined(WorkerID(rawValue: 3)))
        #expect(CoordinatorMachineTests.handle(&machine, .probed(version: 0)).isEmpty)
        let next = Self.timeline.next
        _ = CoordinatorMachineTests.handle(&machine, .rolledBack(version: 0, timeline: next))
        #expect(CoordinatorMachineTests.handle(&machine, .gradientAccepted(step: 0)) == [.probe(version: 0)])
        #expect(CoordinatorMachineTests.handle(&machine, .probed(version: 0)) == [.allowApply(step: 0, timeline: next)])
    }

    @Test("is held by a shard of the one-phase step, the versions between are not")
    func shard() {
        let chunk = ChunkIndex(rawValue: 0)
        var machine = ShardMachine(
            .init(
                tree: ReductionTree(partitions: 1), chunks: [chunk, ChunkIndex(rawValue: 1)], statistics: ChunkIndex(rawValue: 1),
                steps: 4, twoPhase: false, captures: CaptureSchedule(parametersEvery: [], completeEvery: 0, last: 9),
                probes: ProbeSchedule(every: 2, last: 4)))
        func push(_ step: Step) -> [ShardMachine.Directive] {
            _ = ShardMachineTests.handle(&machine, .pushed(ShardMachineTests.name(0, 1, chunk: 1, step: step)))
            return ShardMachineTests.handle(&machine, .pushed(ShardMachineTests.name(0, 1, step: step)))
        }
        #expect(push(0).contains(.reportReduced(step: 0)))
        #expect(
            ShardMachineTests.handle(&machine, .applyAllowed(step: 0, timeline: Self.timeline)).contains(
                .apply(chunk: chunk, step: 0)))
        #expect(push(1).contains(.apply(chunk: chunk, step: 1)))
        #expect(!push(2).contains(.apply(chunk: chunk, step: 2)))
    }

    @Test("round follows round when the shell says so, whatever was pushed for the one before")
    func rounds() {
        let chunk = ChunkIndex(rawValue: 0)
        var machine = ShardMachineTests.machine(twoPhase: true, steps: .max)
        _ = ShardMachineTests.handle(&machine, .subscribed(Self.a, fromVersion: 1))
        _ = ShardMachineTests.handle(&machine, .pushed(ShardMachineTests.name(0, 2)))
        #expect(ShardMachineTests.handle(&machine, .superseded(step: 1)).isEmpty, "only the present round can be superseded")
        let directives = ShardMachineTests.handle(&machine, .superseded(step: 0))
        #expect(directives.contains(.discard(chunk: chunk, nodes: [TreeNode(0, 2)])))
        #expect(directives.contains(.publish(chunk: chunk, version: 1, to: [Self.a])))
        #expect(machine.heldNodes == 0 && machine.version == 1)
        #expect(
            ShardMachineTests.handle(&machine, .pushed(ShardMachineTests.name(0, 2)))
                == [.drop(ShardMachineTests.name(0, 2), .applied)])
    }
}
