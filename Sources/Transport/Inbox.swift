import Synchronization

/// Posts from other threads for a loop, bounded.
final class Inbox<Post: Sendable>: Sendable {
    /// What became of a post.
    enum Result { case accepted(wake: Bool), full, ended }

    private struct State {
        var posts: [Post] = []
        var ended = false
        /// Whether the loop is in its poll, or about to be.
        var isAsleep = false
    }

    private let state = Mutex(State())
    let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// Adds a post; `wake` says that the loop is asleep and nobody has woken it yet.
    func add(_ post: Post) -> Result {
        state.withLock { state in
            if state.ended { return .ended }
            if state.posts.count >= capacity { return .full }
            state.posts.append(post)
            defer { state.isAsleep = false }
            return .accepted(wake: state.isAsleep)
        }
    }

    /// Whether the loop may sleep, because nothing waits for it: whoever posts from now on wakes it.
    func fallAsleep() -> Bool {
        state.withLock { state in
            state.isAsleep = state.posts.isEmpty
            return state.isAsleep
        }
    }

    /// The loop is awake: it will look for posts before it sleeps.
    func wakeUp() { state.withLock { $0.isAsleep = false } }

    /// Moves the posts into `taken`, whose memory serves for the next ones.
    func take(into taken: inout [Post]) {
        var swapped = taken
        taken = []
        swapped.removeAll(keepingCapacity: true)
        state.withLock { swap(&$0.posts, &swapped) }
        taken = swapped
    }

    /// Refuses posts from now on and returns those that wait.
    func end() -> [Post] {
        state.withLock { state in
            state.ended = true
            defer { state.posts = [] }
            return state.posts
        }
    }
}
