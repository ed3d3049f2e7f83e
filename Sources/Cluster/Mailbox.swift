import Foundation
import ParameterServer

/// A bounded queue between threads; taking waits, but never without a deadline.
///
/// Sendable because every access to `items` holds `condition`'s lock.
final class Mailbox<Item: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private let capacity: Int
    private var items: [Item] = []
    private var hasClosed = false

    init(capacity: Int) {
        precondition(capacity >= 1, "a mailbox holds something")
        self.capacity = capacity
    }

    /// Adds an item at once; false when the mailbox is full or closed.
    func offer(_ item: Item) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        if hasClosed || items.count >= capacity { return false }
        items.append(item)
        condition.broadcast()
        return true
    }

    /// Adds an item, waiting for room at most `limit`; false when there was none or the mailbox is closed.
    func put(_ item: Item, within limit: Duration) -> Bool {
        let deadline = Self.deadline(limit)
        condition.lock()
        defer { condition.unlock() }
        while items.count >= capacity && !hasClosed {
            if !condition.wait(until: deadline) { return false }
        }
        if hasClosed { return false }
        items.append(item)
        condition.broadcast()
        return true
    }

    /// Takes the oldest item, waiting at most `limit`; nil when none came or the mailbox is closed and empty.
    func take(within limit: Duration) -> Item? {
        let deadline = Self.deadline(limit)
        condition.lock()
        defer { condition.unlock() }
        while items.isEmpty && !hasClosed {
            if !condition.wait(until: deadline) { return nil }
        }
        guard !items.isEmpty else { return nil }
        let item = items.removeFirst()
        condition.broadcast()
        return item
    }

    /// Ends the queue: nothing more can be added; what is there can still be taken.
    func close() {
        condition.lock()
        defer { condition.unlock() }
        hasClosed = true
        condition.broadcast()
    }

    var isEmpty: Bool {
        condition.lock()
        defer { condition.unlock() }
        return items.isEmpty
    }

    /// Whether nothing can be added any more.
    var isClosed: Bool {
        condition.lock()
        defer { condition.unlock() }
        return hasClosed
    }

    /// Whether nothing will ever come any more.
    var isFinished: Bool {
        condition.lock()
        defer { condition.unlock() }
        return hasClosed && items.isEmpty
    }

    private static func deadline(_ limit: Duration) -> Date {
        Date(timeIntervalSinceNow: limit.inSeconds)
    }
}
