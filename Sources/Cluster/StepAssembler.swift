import ParameterServer
import Training

/// Puts a step's report together from what arrives separately: the scalars, the decision on the gradient, the time.
struct StepAssembler {
    /// A step of which everything is known.
    struct Done {
        var report: StepReport
        var seconds: Double
        var workers: Int
        /// Microbatches that counted, by worker.
        var shares: [String: Int]
    }

    private struct Entry {
        var scalars: [Double]?
        var shares: [String: Int] = [:]
        var squaredNorms: [Double]?
        var decision: StepDecision?
        var seconds: Double?
    }

    private let plan: TrainingPlan
    private var entries: [Step: Entry] = [:]
    private var lastApplied: Instant?
    /// What a step takes, smoothed over about ten; nil before the first.
    private(set) var stepSeconds: Double?
    /// The number of workers now.
    var workers = 0

    init(plan: TrainingPlan) { self.plan = plan }

    /// Decides on the gradient of `step`; its norms are looked at where the step needs them.
    mutating func judge(_ step: Step, squaredNorms norms: [Double]) throws(TrainingError) {
        let squaredNorms = plan.needsNorms(at: step) ? norms : nil
        let decision = try StepDecision(plan: plan, step: step, squaredNorms: squaredNorms)
        entries[step, default: Entry()].decision = decision
        entries[step]?.squaredNorms = squaredNorms
    }

    func clipScale(of step: Step) -> Double { entries[step]?.decision?.clipScale ?? 1 }

    mutating func statistics(_ step: Step, _ values: [Double], shares: [String: Int]) {
        entries[step, default: Entry()].scalars = values
        entries[step]?.shares = shares
    }

    /// The first step is timed from the first assignment on.
    mutating func begin(at now: Instant) { lastApplied = lastApplied ?? now }

    /// Forgets what an ended timeline has left unfinished.
    mutating func startOver(at now: Instant) {
        entries = [:]
        lastApplied = now
    }

    mutating func applied(_ step: Step, at now: Instant) {
        let duration = lastApplied.map { now - $0 } ?? .zero
        lastApplied = now
        let seconds = duration.inSeconds
        entries[step, default: Entry()].seconds = seconds
        stepSeconds = stepSeconds.map { $0 + (seconds - $0) / 10 } ?? seconds
    }

    /// Time that went into a probe is no part of the step it held up.
    mutating func leaveOut(_ duration: Duration) { lastApplied = lastApplied.map { $0 + duration } }

    /// The report of `step` once everything is there; only once.
    mutating func take(_ step: Step) -> Done? {
        guard let entry = entries[step], let scalars = entry.scalars, let seconds = entry.seconds else { return nil }
        if plan.needsNorms(at: step) && entry.decision == nil { return nil }
        entries[step] = nil
        guard let decision = entry.decision ?? (try? StepDecision(plan: plan, step: step, squaredNorms: nil)) else { return nil }
        let report = StepReport(
            plan: plan, step: step, scalars: scalars, squaredNorms: plan.needsNorms(at: step) ? entry.squaredNorms : nil,
            decision: decision)
        return Done(report: report, seconds: seconds, workers: workers, shares: entry.shares)
    }
}
