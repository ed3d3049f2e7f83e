import Synchronization

/// Posts from other threads for a loop, bounded.
final class Inbox<Post: Sendable>: Sendable {
    /// What became of a post.
    enum Result { case accepted(wake: Bool), full, ended }

    private struct State {
        var posts: [Post] = []
        var ended = false
    }

    private let state = Mutex(State())
    let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// Adds a post; `wake` says that the loop may be asleep.
    func add(_ post: Post) -> Result {
        state.withLock { state in
            if state.ended { return .ended }
            if state.posts.count >= capacity { return .full }
            state.posts.append(post)
            return .accepted(wake: state.posts.count == 1)
        }
    }

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
