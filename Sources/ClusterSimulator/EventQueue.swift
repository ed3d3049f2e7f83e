/// What happens when, in virtual microseconds; events of one instant come in the order in which they were added.
///
/// A binary heap of times; the events stay in places of their own, so that what is moved has no references to count.
struct EventQueue<Event> {
    private struct Entry {
        var time: Int
        var order: Int
        var place: Int
    }

    private var heap: [Entry] = []
    private var events: [Event?] = []
    private var free: [Int] = []
    private var added = 0

    var count: Int { heap.count }

    /// O(log n).
    mutating func add(_ event: Event, at time: Int) {
        added += 1
        let place: Int
        if let reused = free.popLast() {
            place = reused
            events[place] = event
        } else {
            place = events.count
            events.append(event)
        }
        heap.append(Entry(time: time, order: added, place: place))
        var child = heap.count - 1
        while child > 0, precedes(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The earliest event. O(log n).
    mutating func next() -> (time: Int, event: Event)? {
        guard let first = heap.first, let last = heap.popLast(), let event = events[first.place].take() else { return nil }
        free.append(first.place)
        if heap.isEmpty { return (first.time, event) }
        heap[0] = last
        var parent = 0
        while true {
            let (left, right) = (2 * parent + 1, 2 * parent + 2)
            var least = parent
            if left < heap.count, precedes(left, least) { least = left }
            if right < heap.count, precedes(right, least) { least = right }
            if least == parent { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return (first.time, event)
    }

    private func precedes(_ a: Int, _ b: Int) -> Bool { (heap[a].time, heap[a].order) < (heap[b].time, heap[b].order) }
}
