import ParameterServer

/// Frames that wait for room on the way to one peer: those of an earlier version first, then gradients, of which new versions are made,
/// then lower chunks, which forward needs first.
///
/// A frame costs O(log n) comparisons and at worst O(n) moves of values, n being the frames that wait; O(1) moves where they come in
/// descending order, as backward makes them. Belongs to one thread.
struct SendQueue<Frame> {
    /// Which frame goes first.
    struct Priority: Hashable, Comparable {
        /// The version that the frame carries, or that a gradient leads to.
        var version: Step
        var isGradient: Bool
        var chunk: ChunkIndex

        static func < (a: Priority, b: Priority) -> Bool {
            (a.version, a.isGradient ? 0 : 1, a.chunk.rawValue) < (b.version, b.isGradient ? 0 : 1, b.chunk.rawValue)
        }
    }

    private struct Waiting {
        let priority: Priority
        let frame: Frame
    }

    /// The next one is the last.
    private var waiting: [Waiting] = []

    var isEmpty: Bool { waiting.isEmpty }
    var count: Int { waiting.count }
    /// The one that `removeFirst` takes.
    var first: Frame? { waiting.last?.frame }

    /// Adds a frame; of equal priority, the earlier one goes first. A chunk's later version takes the place of an earlier one.
    mutating func add(_ frame: Frame, _ priority: Priority) {
        if !priority.isGradient {
            waiting.removeAll {
                !$0.priority.isGradient && $0.priority.chunk == priority.chunk && $0.priority.version <= priority.version
            }
        }
        var (lower, upper) = (0, waiting.count)
        while lower < upper {
            let middle = (lower + upper) / 2
            if waiting[middle].priority <= priority { upper = middle } else { lower = middle + 1 }
        }
        waiting.insert(Waiting(priority: priority, frame: frame), at: lower)
    }

    mutating func removeFirst() -> Frame? { waiting.popLast()?.frame }

    mutating func removeAll(where isVoid: (Frame) -> Bool) { waiting.removeAll { isVoid($0.frame) } }
}
