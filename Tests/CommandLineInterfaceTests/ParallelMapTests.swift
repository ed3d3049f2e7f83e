import Dispatch
import SpectralDiagnostics
import Synchronization
import Testing

@testable import CommandLineInterface

@Suite("Work on several threads")
struct ParallelMapTests {
    /// Says when it has been run, and is open until then.
    private final class Part: OfferedWork {
        private let isLeft = Atomic(true)
        let isDone = DispatchSemaphore(value: 0)

        var isOpen: Bool { isLeft.load(ordering: .sequentiallyConsistent) }

        func run() {
            if isLeft.exchange(false, ordering: .sequentiallyConsistent) { isDone.signal() }
        }

        /// Whether another thread does it within half a minute.
        func isTaken() -> Bool { isDone.wait(timeout: .now() + 30) == .success }
    }

    @Test("keeps the items' order and gives the first one's error", arguments: [1, 2, 5])
    func order(threads: Int) throws {
        struct Failure: Error, Equatable { var item: Int }
        let items = Array(0..<40)
        let results = try ParallelMap.run(items, threads: threads, cost: { Double($0 % 7) }) { item, _ in item * item }
        #expect(results == items.map { $0 * $0 })
        #expect(throws: Failure(item: 11)) {
            try ParallelMap.run(items, threads: threads, cost: { Double($0) }) { item, _ in
                if item % 20 == 11 { throw Failure(item: item) }
            }
        }
        #expect(try ParallelMap.run([Int](), threads: threads, cost: { Double($0) }) { item, _ in item } == [])
    }

    @Test("a thread without an item takes what is on offer, of one item and of the last one")
    func parts() throws {
        #expect(
            try ParallelMap.run([0], threads: 2, cost: { _ in 1 }) { _, parts in
                let part = Part()
                parts.offer(part)
                return part.isTaken()
            } == [true])
        let taken = try ParallelMap.run([0, 1, 2], threads: 2, cost: { Double($0) }) { item, parts in
            let part = Part()
            parts.offer(part)
            // The cheapest item comes last.
            return item > 0 || part.isTaken()
        }
        #expect(taken == [true, true, true])
    }

    @Test("what its owner has begun is offered to nobody")
    func begun() throws {
        let results = try ParallelMap.run([0, 1, 2, 3], threads: 3, cost: { _ in 1 }) { item, parts in
            let part = Part()
            part.run()
            parts.offer(part)
            return part.isDone.wait(timeout: .now()) == .success && part.isDone.wait(timeout: .now()) == .timedOut
        }
        #expect(results == [true, true, true, true])
        let over = OfferedParts(items: 1, threads: 1)
        let part = Part()
        part.run()
        over.offer(part)
        over.finishItem()
        #expect(over.next() == nil)
    }
}
