import RunStore

/// Where the time of a run's steps went, as shares of the workers' time; the optimizer's lies within the others.
struct TimeShares: Encodable {
    var compute: Double
    var exposed: Double
    var wait: Double
    var optimizer: Double
    /// Who was waited for the longest, and its share of all waiting.
    var waitedFor: String?
    var waitedForShare: Double?

    /// nil when there was no time.
    init?(_ sums: RunHistory.TimeShares) {
        let all = sums.compute + sums.exposed + sums.wait
        guard all > 0 else { return nil }
        (compute, exposed, wait, optimizer) = (sums.compute / all, sums.exposed / all, sums.wait / all, sums.optimizer / all)
        if let longest = sums.waitedFor, sums.wait > 0 {
            (waitedFor, waitedForShare) = (longest.worker, longest.seconds / sums.wait)
        }
    }

    var sentence: String {
        let whom = waitedFor.map { ", \(Self.percent(waitedForShare ?? 0)) of that for \($0)" } ?? ""
        return "a worker's time: computing \(Self.percent(compute)), exposed communication \(Self.percent(exposed)), "
            + "waiting for others' gradients \(Self.percent(wait))\(whom); applying gradients took \(Self.percent(optimizer))"
    }

    private static func percent(_ share: Double) -> String { "\(Figures.brief(share * 100, digits: 2)) %" }
}
