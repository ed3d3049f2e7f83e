import ParameterServer
import Testing

@Suite("A worker")
struct WorkerMachineTests {
    static func assignment(_ partitions: [Partition], generation: UInt32 = 1, from step: Step = 0, timeline: UInt32 = 1)
        -> Assignment
    {
        Assignment(
            timeline: Timeline(rawValue: timeline), generation: Generation(rawValue: generation), fromStep: step,
            partitions: partitions)
    }

    static func handle(_ machine: inout WorkerMachine, _ event: WorkerMachine.Event) -> [WorkerMachine.Directive] {
        var directives: [WorkerMachine.Directive] = []
        machine.handle(event, into: &directives)
        return directives
    }

    static func arrived(_ chunk: UInt32, _ version: Step, timeline: UInt32 = 1) -> WorkerMachine.Event {
        .parametersArrived(chunk: ChunkIndex(rawValue: chunk), version: version, timeline: Timeline(rawValue: timeline))
    }

    static func started(_ partitions: [Partition] = [0, 1, 2]) -> WorkerMachine {
        var machine = WorkerMachine(tree: ReductionTree(partitions: 4), frameCount: 2, steps: 5)
        _ = handle(&machine, .assigned(assignment(partitions)))
        _ = handle(&machine, arrived(0, 0))
        _ = handle(&machine, arrived(1, 0))
        return machine
    }

    @Test("computes the maximal nodes of its partitions once it holds a whole version, and pushes each when it is done")
    func computes() {
        var machine = WorkerMachine(tree: ReductionTree(partitions: 4), frameCount: 2, steps: 5)
        #expect(
            Self.handle(&machine, .assigned(Self.assignment([0, 1, 2]))) == [
                .subscribe(fromVersion: 0, timeline: Timeline(rawValue: 1))
            ])
        #expect(Self.handle(&machine, Self.arrived(0, 0)) == [.store(chunk: ChunkIndex(rawValue: 0), version: 0)])
        #expect(
            Self.handle(&machine, Self.arrived(1, 0)) == [
                .store(chunk: ChunkIndex(rawValue: 1), version: 0), .reportSynchronized(version: 0), .advance(to: 0),
                .compute(step: 0, node: TreeNode(0, 2)),
                .compute(step: 0, node: TreeNode(2, 3)),
            ])
        #expect(
            Self.handle(&machine, .chunkComputed(step: 0, node: TreeNode(0, 2), chunk: ChunkIndex(rawValue: 0))) == [
                .push(step: 0, node: TreeNode(0, 2), chunk: ChunkIndex(rawValue: 0), timeline: Timeline(rawValue: 1))
            ])
        #expect(
            Self.handle(&machine, .computed(step: 0, node: TreeNode(0, 2))) == [
                .pushScalars(step: 0, node: TreeNode(0, 2), timeline: Timeline(rawValue: 1)),
                .release(step: 0, node: TreeNode(0, 2)),
            ])
        #expect(
            Self.handle(&machine, .chunkComputed(step: 0, node: TreeNode(0, 2), chunk: ChunkIndex(rawValue: 0))).isEmpty,
            "what is done is done")
    }

    @Test("keeps its version until the next one is whole and its lanes are still")
    func keeps() {
        var machine = Self.started([0])
        _ = Self.handle(&machine, Self.arrived(0, 1))
        #expect(machine.version == 0)
        let last = Self.handle(&machine, Self.arrived(1, 1))
        #expect(last == [.store(chunk: ChunkIndex(rawValue: 1), version: 1)], "a lane still reads version 0")
        let done = Self.handle(&machine, .computed(step: 0, node: TreeNode(0, 1)))
        #expect(
            done == [
                .release(step: 0, node: TreeNode(0, 1)), .advance(to: 1), .compute(step: 1, node: TreeNode(0, 1)),
            ], "all of version 1 exists, so nobody needs a gradient of step 0")
    }

    @Test("takes over partitions at once and computes only what it has not computed yet")
    func takesOver() {
        var machine = Self.started([0, 1])
        #expect(
            Self.handle(&machine, .assigned(Self.assignment([0, 1, 2, 3], generation: 2))) == [
                .compute(step: 0, node: TreeNode(2, 4))
            ])
        #expect(Self.handle(&machine, .assigned(Self.assignment([0], generation: 1))).isEmpty, "an older generation is void")
    }

    @Test("drops duplicates, other versions, unknown chunks and void timelines")
    func drops() {
        var machine = Self.started([0])
        _ = Self.handle(&machine, Self.arrived(0, 1))
        for event in [
            Self.arrived(0, 1), Self.arrived(1, 0), Self.arrived(1, 2), Self.arrived(9, 1), Self.arrived(1, 1, timeline: 2),
        ] {
            guard case .parametersArrived(let chunk, let version, _) = event else { continue }
            #expect(Self.handle(&machine, event) == [.drop(chunk: chunk, version: version)])
        }
    }

    @Test("skips ahead when a later version shows that it was not needed")
    func skips() {
        var machine = Self.started([])
        _ = Self.handle(&machine, Self.arrived(0, 1))
        #expect(Self.handle(&machine, Self.arrived(0, 3)) == [.store(chunk: ChunkIndex(rawValue: 0), version: 3)])
        #expect(Self.handle(&machine, Self.arrived(1, 1)) == [.drop(chunk: ChunkIndex(rawValue: 1), version: 1)])
        #expect(Self.handle(&machine, Self.arrived(1, 3)).last == .advance(to: 3))
    }

    @Test("asks at once for a later version that came while it was computing, and had no place")
    func overtaken() {
        var machine = Self.started([0])
        for chunk: UInt32 in [0, 1] { _ = Self.handle(&machine, Self.arrived(chunk, 1)) }
        #expect(Self.handle(&machine, Self.arrived(0, 2)) == [.drop(chunk: ChunkIndex(rawValue: 0), version: 2)])
        let done = Self.handle(&machine, .computed(step: 0, node: TreeNode(0, 1)))
        let both = (0..<2).map { ChunkIndex(rawValue: $0) }
        #expect(done.contains(.advance(to: 1)) && done.last == .requestParameters(version: 2, chunks: both))
        _ = Self.handle(&machine, Self.arrived(0, 2))
        #expect(!Self.handle(&machine, .computed(step: 1, node: TreeNode(0, 1))).contains(.advance(to: 2)))
    }

    @Test("names the chunks it misses when it has waited too long")
    func asks() {
        var machine = Self.started([0])
        _ = Self.handle(&machine, .computed(step: 0, node: TreeNode(0, 1)))
        _ = Self.handle(&machine, Self.arrived(1, 1))
        #expect(
            Self.handle(&machine, .waitedTooLong) == [.requestParameters(version: 1, chunks: [ChunkIndex(rawValue: 0)])])
    }

    @Test("computes and pushes again what may have been lost, at waits that double")
    func repeats() {
        var machine = Self.started([0])
        _ = Self.handle(&machine, .computed(step: 0, node: TreeNode(0, 1)))
        var recomputed: [Int] = []
        for wait in 1...9 {
            let directives = Self.handle(&machine, .waitedTooLong)
            if directives.contains(.compute(step: 0, node: TreeNode(0, 1))) {
                recomputed.append(wait)
                let pushed = Self.handle(&machine, .computed(step: 0, node: TreeNode(0, 1)))
                #expect(pushed.count == 2)
            }
        }
        #expect(recomputed == [2, 4, 8])
    }

    @Test("starts over on a new timeline and discards what an older one computed")
    func timelines() {
        var machine = Self.started([0])
        #expect(
            Self.handle(&machine, .assigned(Self.assignment([0], generation: 2, from: 0, timeline: 2))) == [
                .subscribe(fromVersion: 0, timeline: Timeline(rawValue: 2))
            ])
        #expect(machine.version == nil)
        #expect(Self.handle(&machine, .computed(step: 0, node: TreeNode(0, 1))) == [.release(step: 0, node: TreeNode(0, 1))])
        _ = Self.handle(&machine, Self.arrived(0, 0, timeline: 2))
        #expect(Self.handle(&machine, Self.arrived(1, 0, timeline: 2)).last == .compute(step: 0, node: TreeNode(0, 1)))
    }

    @Test("stands by with no partitions, and computes nothing after the last step")
    func standsBy() {
        var machine = Self.started([])
        #expect(machine.version == 0)
        for version: Step in 1...5 {
            _ = Self.handle(&machine, Self.arrived(0, version))
            _ = Self.handle(&machine, Self.arrived(1, version))
        }
        #expect(machine.version == 5)
        #expect(Self.handle(&machine, .assigned(Self.assignment([0], generation: 2, from: 5))).isEmpty)
    }
}
