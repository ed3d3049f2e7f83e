/// When a step was: the begin of the run and the wall times of the steps before it, so that pauses between sittings do not count.
struct StepClock {
    /// Seconds since 1970.
    let begin: Double
    private var ends: [(step: Int64, time: Double)] = []

    init(begin: Double) { self.begin = begin }

    /// Takes in the wall time of a step; steps come in ascending order.
    mutating func append(_ seconds: Double, of step: Int64) { ends.append((step, (ends.last?.time ?? begin) + seconds)) }

    /// When `step` ended; for one that is not known, when the last one before it did. O(log steps).
    func time(of step: Int64) -> Double {
        var (low, high) = (0, ends.count)
        while low < high {
            let middle = (low + high) / 2
            if ends[middle].step <= step { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? begin : ends[low - 1].time
    }
}
