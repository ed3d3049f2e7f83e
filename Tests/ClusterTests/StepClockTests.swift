import ParameterServer
import Synchronization
import Testing
import WireProtocol

@testable import Cluster

@Suite("Where a step's time goes")
struct StepClockTests {
    private static func at(_ milliseconds: Int) -> Instant { Instant(sinceStart: .milliseconds(milliseconds)) }
    private static let other = WorkerID(rawValue: 7)

    @Test("computing, waiting for another's gradient and what is left add up to the step")
    func adds() {
        var clock = StepClock(lanes: 1)
        #expect(clock.advanced(to: 4, at: Self.at(100)) == nil, "the first version of a timeline ends no step")
        clock.pushed(by: WorkerID(rawValue: 9), at: Self.at(130))
        clock.computed(step: 4, .milliseconds(60), at: Self.at(165))
        clock.pushed(by: Self.other, at: Self.at(185))
        clock.optimized(.milliseconds(4))
        let time = clock.advanced(to: 5, at: Self.at(200))
        #expect(time == .init(step: 4, compute: 0.06, exposed: 0.02, wait: 0.02, waitedFor: Self.other, optimizer: 0.004))
    }

    @Test("nobody was waited for whose gradient was there before computing ended; what was begun ahead counts at its step")
    func hidden() {
        var clock = StepClock(lanes: 2)
        _ = clock.advanced(to: 0, at: Self.at(0))
        clock.pushed(by: Self.other, at: Self.at(5))
        clock.computed(step: 0, .milliseconds(16), at: Self.at(10))
        clock.computed(step: 1, .milliseconds(30), at: Self.at(11))
        let first = clock.advanced(to: 1, at: Self.at(12))
        #expect(first == .init(step: 0, compute: 0.008, exposed: 0.004, wait: 0, waitedFor: nil, optimizer: 0))
        let second = clock.advanced(to: 2, at: Self.at(22))
        #expect(second == .init(step: 1, compute: 0.01, exposed: 0, wait: 0, waitedFor: nil, optimizer: 0), "at most the step")
    }

    @Test("a version that was skipped ends no step")
    func skips() {
        var clock = StepClock(lanes: 1)
        _ = clock.advanced(to: 0, at: Self.at(0))
        #expect(clock.advanced(to: 2, at: Self.at(9)) == nil)
    }
}

@Suite("The gate before chunks that arrive")
struct ArrivalGateTests {
    @Test("opens by prefixes, lets nobody through early, and sends everybody away once it is abandoned")
    func opens() throws {
        let gate = ArrivalGate(version: 3, prefix: 1)
        #expect(try gate.wait(for: 1) { true } == .zero)
        let passed = Mutex<[Int]>([])
        let ended = Mailbox<Bool>(capacity: 1)
        let lane = ServiceThread(name: "gate") {
            for count in [2, 4, 9] {
                guard (try? gate.wait(for: count, while: { true })) != nil else { break }
                passed.withLock { $0.append(count) }
            }
            _ = ended.offer(true)
        }
        gate.open(3)
        gate.open(2)
        #expect(ended.take(within: .milliseconds(300)) == nil && passed.withLock { $0 } == [2], "a gate does not close again")
        gate.open(4)
        #expect(ended.take(within: .milliseconds(300)) == nil && passed.withLock { $0 } == [2, 4])
        gate.abandon()
        #expect(ended.take(within: .seconds(10)) == true && passed.withLock { $0 } == [2, 4])
        #expect(lane.join(within: .seconds(10)))
        #expect(throws: ArrivalGate.Abandoned.self) { _ = try gate.wait(for: 1) { true } }
    }

    @Test("a wait that has lost its reason ends")
    func givesUp() {
        let gate = ArrivalGate(version: 3, prefix: 0)
        #expect(throws: ArrivalGate.Abandoned.self) { _ = try gate.wait(for: 1) { false } }
    }
}
