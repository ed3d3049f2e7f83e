import Dispatch
import SpectralDiagnostics
import Synchronization

/// Parts of the items at work that threads without an item may do.
final class OfferedParts: Sendable {
    private let state: Mutex<State>
    /// Signalled for each offer, and for each thread when the last item is done.
    private let change = DispatchSemaphore(value: 0)
    private let threads: Int

    private struct State {
        var unfinished: Int
        var open: [any OfferedWork] = []
    }

    init(items: Int, threads: Int) {
        state = Mutex(State(unfinished: items))
        self.threads = threads
    }

    /// Any thread.
    func offer(_ work: any OfferedWork) {
        state.withLock { state in
            // What its owner has begun meanwhile is kept for nobody.
            state.open.removeAll { !$0.isOpen }
            state.open.append(work)
        }
        change.signal()
    }

    func finishItem() {
        let isLast = state.withLock { state in
            state.unfinished -= 1
            return state.unfinished == 0
        }
        if isLast { for _ in 0..<threads { change.signal() } }
    }

    /// The open offer that was made first; waits for one, and is nil once all items are done. Blocking.
    func next() -> (any OfferedWork)? {
        while true {
            let (work, isOver) = state.withLock { state in
                let first = state.open.firstIndex(where: \.isOpen)
                return (first.map { state.open.remove(at: $0) }, state.unfinished == 0)
            }
            if let work { return work }
            if isOver { return nil }
            change.wait()
        }
    }
}
