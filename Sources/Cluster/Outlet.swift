import Synchronization

/// A way to somebody who does not exist yet: what is sent before they are connected is kept for them, in order.
final class Outlet<Item: Sendable>: Sendable {
    private struct State {
        var receiver: (@Sendable (Item) -> Void)?
        var early: [Item] = []
    }

    private let state = Mutex(State())

    func send(_ item: Item) {
        state.withLock { state in
            if let receiver = state.receiver { receiver(item) } else { state.early.append(item) }
        }
    }

    func connect(_ receiver: @escaping @Sendable (Item) -> Void) {
        state.withLock { state in
            for item in state.early { receiver(item) }
            state.early = []
            state.receiver = receiver
        }
    }
}
