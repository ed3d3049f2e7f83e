import Foundation
import SpectralDiagnostics
import Synchronization

/// Runs blocking work on threads of its own, never on Swift's cooperative pool.
enum ParallelMap {
    /// body of each item, in the items' order; every thread takes the costliest item that is left when it is done with one, as a long one
    /// begun last would leave the others idle. Those that find none left do what `body` offers of the items still at work. Blocking.
    ///
    /// - Throws: the error of the first item, by order, that has one.
    static func run<Item: Sendable, Result: Sendable>(
        _ items: [Item], threads: Int, cost: (Item) -> Double, _ body: @escaping @Sendable (Item, OfferedParts) throws -> Result
    ) throws -> [Result] {
        let costs = items.map(cost)
        let state = State<Result>(items.indices.sorted { (costs[$1], $0) < (costs[$0], $1) })
        // An item at work may have one part on offer.
        let count = min(threads, 2 * items.count)
        let parts = OfferedParts(items: items.count, threads: count)
        let group = DispatchGroup()
        for _ in 0..<count {
            group.enter()
            let thread = Thread {
                while let index = state.take() {
                    state.put(Swift.Result { try body(items[index], parts) }, at: index)
                    parts.finishItem()
                }
                while let part = parts.next() { part.run() }
                group.leave()
            }
            thread.stackSize = 16 << 20
            thread.start()
        }
        group.wait()
        return try state.results()
    }

    private final class State<Value: Sendable>: Sendable {
        /// Which item is taken first, second, …
        private let order: [Int]
        private let next = Atomic(0)
        private let done: Mutex<[Swift.Result<Value, any Error>?]>

        init(_ order: [Int]) {
            self.order = order
            done = Mutex(Array(repeating: nil, count: order.count))
        }

        func take() -> Int? {
            let place = next.wrappingAdd(1, ordering: .relaxed).oldValue
            return place < order.count ? order[place] : nil
        }

        func put(_ result: sending Swift.Result<Value, any Error>, at index: Int) { done.withLock { $0[index] = result } }

        func results() throws -> [Value] {
            try done.withLock { try $0.compactMap { try $0?.get() } }
        }
    }
}
