import ParameterServer
import Testing

@Suite("A shard")
struct ShardMachineTests {
    static func machine(partitions: Int = 4, twoPhase: Bool = false, steps: Step = 3, capturesEvery: Step = 0) -> ShardMachine {
        ShardMachine(
            .init(
                tree: ReductionTree(partitions: partitions), chunks: [0, 1].map(ChunkIndex.init(rawValue:)),
                statistics: ChunkIndex(rawValue: 1), steps: steps, twoPhase: twoPhase,
                captures: CaptureSchedule(parametersEvery: [capturesEvery], completeEvery: 0, last: steps)))
    }

    static func name(_ lower: Int, _ upper: Int, chunk: UInt32 = 0, step: Step = 0, timeline: UInt32 = 1) -> PushName {
        PushName(
            timeline: Timeline(rawValue: timeline), step: step, chunk: ChunkIndex(rawValue: chunk), node: TreeNode(lower, upper))
    }

    static func handle(_ machine: inout ShardMachine, _ event: ShardMachine.Event) -> [ShardMachine.Directive] {
        var directives: [ShardMachine.Directive] = []
        machine.handle(event, into: &directives)
        return directives
    }

    let chunk = ChunkIndex(rawValue: 0)

    @Test("adds siblings when both are there, whatever the order of arrival")
    func merges() {
        var machine = Self.machine()
        #expect(Self.handle(&machine, .pushed(Self.name(2, 3))) == [.accept(chunk: chunk, merging: [], yields: TreeNode(2, 3))])
        #expect(Self.handle(&machine, .pushed(Self.name(0, 2))) == [.accept(chunk: chunk, merging: [], yields: TreeNode(0, 2))])
        let directives = Self.handle(&machine, .pushed(Self.name(3, 4)))
        #expect(
            directives == [
                .accept(chunk: chunk, merging: [TreeNode(2, 3), TreeNode(0, 2)], yields: TreeNode(0, 4)),
                .rooted(chunk: chunk, step: 0), .apply(chunk: chunk, step: 0),
            ])
    }

    @Test("drops what a held node covers, and lets an ancestor replace its descendants")
    func overlaps() {
        var machine = Self.machine()
        _ = Self.handle(&machine, .pushed(Self.name(0, 1)))
        #expect(
            Self.handle(&machine, .pushed(Self.name(0, 2))) == [
                .discard(chunk: chunk, nodes: [TreeNode(0, 1)]), .accept(chunk: chunk, merging: [], yields: TreeNode(0, 2)),
            ])
        #expect(Self.handle(&machine, .pushed(Self.name(1, 2))) == [.drop(Self.name(1, 2), .covered)])
        #expect(Self.handle(&machine, .pushed(Self.name(0, 2))) == [.drop(Self.name(0, 2), .covered)])
        #expect(machine.missingPartitions == [0, 1, 2, 3], "the scalars of every partition are still missing")
        #expect(machine.heldNodes == 1)
    }

    @Test("drops pushes of applied steps, other timelines, steps ahead, and ranges that are no node")
    func drops() {
        var machine = Self.machine()
        _ = Self.handle(&machine, .pushed(Self.name(0, 4)))
        #expect(Self.handle(&machine, .pushed(Self.name(0, 4))) == [.drop(Self.name(0, 4), .applied)])
        #expect(Self.handle(&machine, .pushed(Self.name(0, 4, step: 2))) == [.drop(Self.name(0, 4, step: 2), .ahead)])
        let old = Self.name(0, 4, step: 1, timeline: 2)
        #expect(Self.handle(&machine, .pushed(old)) == [.drop(old, .otherTimeline)])
        let stranger = Self.name(1, 3, step: 1)
        #expect(Self.handle(&machine, .pushed(stranger)) == [.drop(stranger, .notInTree)])
        let elsewhere = Self.name(0, 4, chunk: 9, step: 1)
        #expect(Self.handle(&machine, .pushed(elsewhere)) == [.drop(elsewhere, .notHosted)])
    }

    @Test("waits for the coordinator's word in the two-phase step")
    func twoPhase() {
        var machine = Self.machine(twoPhase: true)
        let directives = Self.handle(&machine, .pushed(Self.name(0, 4)))
        #expect(directives.suffix(2) == [.rooted(chunk: chunk, step: 0), .reportReduced(step: 0)])
        let stale = ShardMachine.Event.applyAllowed(step: 0, timeline: Timeline(rawValue: 7))
        #expect(Self.handle(&machine, stale).isEmpty)
        #expect(
            Self.handle(&machine, .applyAllowed(step: 0, timeline: Timeline(rawValue: 1))) == [.apply(chunk: chunk, step: 0)])
        #expect(Self.handle(&machine, .applyAllowed(step: 0, timeline: Timeline(rawValue: 1))).isEmpty)
        #expect(
            Self.handle(&machine, .pushed(Self.name(0, 4, chunk: 1))).suffix(2) == [
                .deliverStatistics(step: 0), .reportApplied(version: 1),
            ])
    }

    @Test("publishes each new version to its readers, and the present one to a newcomer")
    func publishes() {
        var machine = Self.machine(capturesEvery: 1)
        let (first, second) = (WorkerID(rawValue: 1), WorkerID(rawValue: 2))
        let both = [ChunkIndex(rawValue: 0), ChunkIndex(rawValue: 1)]
        #expect(
            Self.handle(&machine, .subscribed(first, fromVersion: 0)) == both.map { .publish(chunk: $0, version: 0, to: [first]) })
        #expect(Self.handle(&machine, .subscribed(second, fromVersion: 1)).isEmpty)
        #expect(
            Self.handle(&machine, .pushed(Self.name(0, 4))).suffix(3) == [
                .apply(chunk: chunk, step: 0), .capture(chunk: chunk, version: 1, .scheduled(complete: false)),
                .publish(chunk: chunk, version: 1, to: [first, second]),
            ])
        _ = Self.handle(&machine, .unsubscribed(first))
        let request = ShardMachine.Event.parametersRequested(first, version: 1, chunks: both)
        #expect(Self.handle(&machine, request) == [.publish(chunk: chunk, version: 1, to: [first])])
    }

    @Test("stops at the last version, captured completely")
    func last() {
        var machine = Self.machine(steps: 1)
        #expect(
            Self.handle(&machine, .pushed(Self.name(0, 4))).contains(.capture(chunk: chunk, version: 1, .scheduled(complete: true)))
        )
        #expect(Self.handle(&machine, .pushed(Self.name(0, 4, step: 1))) == [.drop(Self.name(0, 4, step: 1), .ahead)])
    }

    @Test("forgets everything held when a new timeline begins")
    func restored() {
        var machine = Self.machine()
        _ = Self.handle(&machine, .pushed(Self.name(0, 2)))
        let directives = Self.handle(&machine, .restored(version: 2, timeline: Timeline(rawValue: 2)))
        #expect(directives.first == .discard(chunk: chunk, nodes: [TreeNode(0, 2)]))
        #expect(directives.last == .reportApplied(version: 2))
        #expect(machine.version == 2 && machine.heldNodes == 0)
        #expect(Self.handle(&machine, .pushed(Self.name(0, 4, step: 2))).contains(.drop(Self.name(0, 4, step: 2), .otherTimeline)))
    }
}
