import ParameterServer
import Testing

@Suite("Shards on workers")
struct PlacementTests {
    private static let (a, b, c) = (WorkerID(rawValue: 1), WorkerID(rawValue: 2), WorkerID(rawValue: 3))

    private static func machine(hostsMax: Int = 2) -> CoordinatorMachine {
        CoordinatorMachine(
            .init(partitions: 3, steps: 3, workersToStart: 2, placement: .workers, hostsMax: hostsMax, twoPhase: false),
            now: CoordinatorMachineTests.at(0))
    }

    private static func handle(_ machine: inout CoordinatorMachine, _ event: CoordinatorMachine.Event)
        -> [CoordinatorMachine.Directive]
    {
        CoordinatorMachineTests.handle(&machine, event)
    }

    private static func places(_ directives: [CoordinatorMachine.Directive]) -> [[WorkerID]] {
        directives.compactMap { if case .place(let hosts, _, _) = $0 { hosts } else { nil } }
    }

    private static func rollbacks(_ directives: [CoordinatorMachine.Directive]) -> [UInt32] {
        directives.compactMap { if case .rollBack(let timeline) = $0 { timeline.rawValue } else { nil } }
    }

    private static func running() -> CoordinatorMachine {
        var machine = machine()
        _ = handle(&machine, .joined(a))
        _ = handle(&machine, .joined(b))
        _ = handle(&machine, .placed(generation: machine.generation))
        return machine
    }

    @Test("are placed on those who are there at the beginning, and the step begins once they are in place")
    func placed() {
        var machine = Self.machine()
        #expect(Self.places(Self.handle(&machine, .joined(Self.a))).isEmpty)
        #expect(Self.places(Self.handle(&machine, .joined(Self.b))) == [[Self.a, Self.b]])
        let generation = machine.generation
        #expect(CoordinatorMachineTests.assigned(Self.handle(&machine, .joined(Self.c))).isEmpty)
        #expect(Self.handle(&machine, .placed(generation: Generation(rawValue: 0))).isEmpty, "another placement's")
        let directives = Self.handle(&machine, .placed(generation: generation))
        #expect(CoordinatorMachineTests.assigned(directives) == [Self.a: [0], Self.b: [1], Self.c: [2]])
        #expect(machine.hosts == [Self.a, Self.b])
    }

    @Test("go back to the last snapshot with any of their hosts, once, and are placed on the others")
    func lost() {
        var machine = Self.running()
        _ = Self.handle(&machine, .joined(Self.c))
        #expect(Self.rollbacks(Self.handle(&machine, .left(Self.a, reason: ""))) == [2])
        #expect(Self.rollbacks(Self.handle(&machine, .left(Self.b, reason: ""))).isEmpty, "the rollback is under way")
        let directives = Self.handle(&machine, .rolledBack(version: 0, timeline: Timeline(rawValue: 2)))
        #expect(Self.places(directives) == [[Self.c]])
    }

    @Test("are not concerned by the loss of a worker that hosts none")
    func bystander() {
        var machine = Self.running()
        _ = Self.handle(&machine, .joined(Self.c))
        let directives = Self.handle(&machine, .left(Self.c, reason: ""))
        #expect(Self.rollbacks(directives).isEmpty && machine.hosts == [Self.a, Self.b])
    }

    @Test("have one map on each timeline: a host lost while they are placed begins another")
    func lostWhilePlacing() {
        var machine = Self.machine()
        _ = Self.handle(&machine, .joined(Self.a))
        _ = Self.handle(&machine, .joined(Self.b))
        let generation = machine.generation
        let directives = Self.handle(&machine, .left(Self.a, reason: ""))
        #expect(Self.places(directives).isEmpty && Self.rollbacks(directives) == [2])
        #expect(Self.handle(&machine, .placed(generation: generation)).isEmpty)
    }

    @Test("wait for the next worker when the last host is gone")
    func bereft() {
        var machine = Self.running()
        #expect(Self.rollbacks(Self.handle(&machine, .left(Self.a, reason: ""))) == [2])
        #expect(Self.handle(&machine, .left(Self.b, reason: "")).count == 2)
        #expect(Self.handle(&machine, .rolledBack(version: 0, timeline: Timeline(rawValue: 2))).isEmpty)
        let directives = Self.handle(&machine, .joined(Self.c))
        #expect(Self.rollbacks(directives).isEmpty && Self.places(directives) == [[Self.c]], "the snapshot is in place already")
        #expect(Self.handle(&machine, .left(Self.c, reason: "")).count == 2)
        #expect(Self.rollbacks(Self.handle(&machine, .joined(Self.a))) == [3], "a timeline has one map")
    }

    @Test("keep the later of two versions to be copied on request, whichever is heard of last")
    func laterRequest() {
        let chunk = ChunkIndex(rawValue: 0)
        var machine = ShardMachine(
            .init(
                tree: ReductionTree(partitions: 1), chunks: [chunk], statistics: ChunkIndex(rawValue: 1), steps: 9, twoPhase: false,
                captures: .init(parametersEvery: [], completeEvery: 0, last: 9)))
        var directives: [ShardMachine.Directive] = []
        machine.handle(.captureRequested(version: 2), into: &directives)
        machine.handle(.captureRequested(version: 1), into: &directives)
        for step: Step in 0..<2 {
            machine.handle(
                .pushed(PushName(timeline: machine.timeline, step: step, chunk: chunk, node: TreeNode(0, 1))), into: &directives)
        }
        let copied = directives.filter { if case .capture = $0 { true } else { false } }
        #expect(copied == [.capture(chunk: chunk, version: 2, .requested)])
        directives = []
        machine.handle(.captureRequested(version: 2), into: &directives)
        #expect(directives == copied, "asked again, it is copied again while it is there")
        directives = []
        machine.handle(.captureRequested(version: 1), into: &directives)
        #expect(directives == [.reportCaptureMissed(target: 1, foremost: 2)])
    }
}
