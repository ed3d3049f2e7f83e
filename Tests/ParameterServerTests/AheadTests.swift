import ParameterServer
import Testing

/// A worker that begins with a version while it arrives.
@Suite("Beginning ahead of a version")
struct AheadTests {
    private static let (first, second) = (TreeNode(0, 1), TreeNode(1, 2))
    private static let timeline = Timeline(rawValue: 1)

    private static func chunk(_ index: UInt32) -> ChunkIndex { ChunkIndex(rawValue: index) }
    private static func handle(_ machine: inout WorkerMachine, _ event: WorkerMachine.Event) -> [WorkerMachine.Directive] {
        WorkerMachineTests.handle(&machine, event)
    }

    /// Version 0 is computed and pushed; three chunks, the last of which is the statistics'.
    private static func waiting(_ partitions: [Partition] = [0]) -> WorkerMachine {
        var machine = WorkerMachine(tree: ReductionTree(partitions: 2), frameCount: 3, steps: 5, startsAhead: true)
        _ = handle(&machine, .assigned(WorkerMachineTests.assignment(partitions)))
        for index: UInt32 in 0..<3 { _ = handle(&machine, WorkerMachineTests.arrived(index, 0)) }
        for partition in partitions { _ = handle(&machine, .computed(step: 0, node: TreeNode(partition, partition + 1))) }
        return machine
    }

    @Test("it computes from the first chunk on, and says how far the chunks have come without a gap")
    func begins() {
        var machine = Self.waiting()
        #expect(Self.handle(&machine, WorkerMachineTests.arrived(1, 1)) == [.store(chunk: Self.chunk(1), version: 1)])
        #expect(machine.arrivedPrefix == 0, "the first is missing")
        #expect(
            Self.handle(&machine, WorkerMachineTests.arrived(0, 1)) == [
                .store(chunk: Self.chunk(0), version: 1), .compute(step: 1, node: Self.first),
            ])
        #expect(machine.arrivedPrefix == 2 && machine.version == 0 && machine.incomingVersion == 1)
    }

    @Test("it pushes nothing before the version is whole, and all of it then")
    func holds() {
        var machine = Self.waiting()
        for index: UInt32 in 0..<2 { _ = Self.handle(&machine, WorkerMachineTests.arrived(index, 1)) }
        #expect(Self.handle(&machine, .chunkComputed(step: 1, node: Self.first, chunk: Self.chunk(1))).isEmpty)
        #expect(Self.handle(&machine, .chunkComputed(step: 1, node: Self.first, chunk: Self.chunk(0))).isEmpty)
        #expect(Self.handle(&machine, .computed(step: 1, node: Self.first)).isEmpty)
        #expect(
            Self.handle(&machine, WorkerMachineTests.arrived(2, 1)) == [
                .store(chunk: Self.chunk(2), version: 1), .advance(to: 1),
                .push(step: 1, node: Self.first, chunk: Self.chunk(1), timeline: Self.timeline),
                .push(step: 1, node: Self.first, chunk: Self.chunk(0), timeline: Self.timeline),
                .pushScalars(step: 1, node: Self.first, timeline: Self.timeline), .release(step: 1, node: Self.first),
            ])
    }

    @Test("a lost worker's microbatches come first: what was begun is abandoned, and begun again")
    func yields() {
        var machine = Self.waiting()
        _ = Self.handle(&machine, WorkerMachineTests.arrived(0, 1))
        #expect(
            Self.handle(&machine, .assigned(WorkerMachineTests.assignment([0, 1], generation: 2))) == [
                .abandon(step: 1), .compute(step: 0, node: Self.second),
            ])
        #expect(
            Self.handle(&machine, .computed(step: 1, node: Self.first)) == [.release(step: 1, node: Self.first)],
            "what is still told of it counts for nothing")
        #expect(
            Self.handle(&machine, .computed(step: 0, node: Self.second)) == [
                .pushScalars(step: 0, node: Self.second, timeline: Self.timeline), .release(step: 0, node: Self.second),
                .compute(step: 1, node: TreeNode(0, 2)),
            ])
    }

    @Test("it computes what the assignment has added since, once the version is whole")
    func grows() {
        var machine = Self.waiting([])
        _ = Self.handle(&machine, .assigned(WorkerMachineTests.assignment([0], generation: 2)))
        _ = Self.handle(&machine, .computed(step: 0, node: Self.first))
        for index: UInt32 in 0..<2 { _ = Self.handle(&machine, WorkerMachineTests.arrived(index, 1)) }
        let last = Self.handle(&machine, WorkerMachineTests.arrived(2, 1))
        #expect(last == [.store(chunk: Self.chunk(2), version: 1), .advance(to: 1)], "it computes that already")
        #expect(
            Self.handle(&machine, .assigned(WorkerMachineTests.assignment([0, 1], generation: 3)))
                == [.compute(step: 1, node: Self.second)])
    }

    @Test("a new timeline, a version beyond, and a repeated computation each end it")
    func abandons() {
        var replayed = Self.waiting()
        _ = Self.handle(&replayed, WorkerMachineTests.arrived(0, 1))
        #expect(
            Self.handle(&replayed, .assigned(WorkerMachineTests.assignment([0], generation: 2, timeline: 2))) == [
                .abandon(step: 1), .subscribe(fromVersion: 0, timeline: Timeline(rawValue: 2)),
            ])
        var overtaken = Self.waiting()
        _ = Self.handle(&overtaken, WorkerMachineTests.arrived(0, 1))
        #expect(
            Self.handle(&overtaken, WorkerMachineTests.arrived(1, 3)) == [
                .abandon(step: 1), .store(chunk: Self.chunk(1), version: 3),
            ])
        var starved = Self.waiting()
        _ = Self.handle(&starved, WorkerMachineTests.arrived(0, 1))
        let missing = [1, 2].map(Self.chunk)
        #expect(Self.handle(&starved, .waitedTooLong) == [.requestParameters(version: 1, chunks: missing)])
        #expect(
            Self.handle(&starved, .waitedTooLong) == [
                .requestParameters(version: 1, chunks: missing), .abandon(step: 1), .compute(step: 0, node: Self.first),
            ], "a push of version 0 may have been lost, and that is what everybody waits for")
    }

    @Test("nothing is begun after the last step, nor while a lane reads the version before")
    func ends() {
        var machine = Self.waiting()
        for version: Step in 1...4 {
            for index: UInt32 in 0..<3 { _ = Self.handle(&machine, WorkerMachineTests.arrived(index, version)) }
            if version < 4 { _ = Self.handle(&machine, .computed(step: version, node: Self.first)) }
        }
        #expect(Self.handle(&machine, WorkerMachineTests.arrived(0, 5)) == [.store(chunk: Self.chunk(0), version: 5)])
        let done = Self.handle(&machine, .computed(step: 4, node: Self.first))
        #expect(!done.contains { if case .compute = $0 { true } else { false } })
    }
}
