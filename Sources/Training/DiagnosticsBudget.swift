import ExperimentFile
import ParameterServer
import Synchronization

/// Keeps diagnostics within their share of a run's wall time, by putting off what does not fit yet.
///
/// What is measured never depends on it, only when: values are functions of the experiment, the versions at which they are taken are
/// not. What has waited longest comes first; when it is too dear for what is left, half of what comes in is saved for it, and cheaper
/// diagnostics have the other half. Used from any thread.
public final class DiagnosticsBudget: Sendable {
    public typealias Name = DiagnosticsSpecification.Name

    /// A change of the interval at which a diagnostic is in fact taken.
    public struct Stretch: Hashable, Sendable {
        public var name: Name
        /// Versions that were due and passed over since the last measurement, or since the start.
        public var skipped: Int
        /// Versions since the last measurement; nil when there was none.
        public var interval: Step?
        public var seconds: Double
    }

    /// What a run has had before it was resumed.
    public struct Past: Sendable {
        /// Seconds that the run has lasted.
        public var elapsed = 0.0
        /// Seconds that diagnostics have taken of them.
        public var spent = 0.0
        /// When each was taken last, and how many seconds that took.
        public var last: [Name: (version: Step, seconds: Double)] = [:]

        public init() {}
    }

    private struct Account {
        /// Seconds that one measurement takes: the last one's, or what is expected of the first.
        var cost: Double?
        var last: Step?
        var skipped = 0
        /// What is set aside for a measurement that has been let in and is not charged yet.
        var reserved = 0.0
    }

    /// The dear diagnostic that is saved for.
    private struct Goal {
        var name: Name
        var saved = 0.0
    }

    private struct Books {
        /// Nil until the run begins.
        var started: Double?
        var spent = 0.0
        var accounts: [Name: Account] = [:]
        var goal: Goal?
        /// Up to when savings have been put aside.
        var counted = 0.0
    }

    /// A run is taken to last at least so long, in seconds: one that is over in no time is looked at too.
    private static let shortRun = 20.0

    /// The share of wall time, 0…1.
    public let share: Double
    private let before: Double
    private let now: @Sendable () -> Double
    private let books: Mutex<Books>

    /// A budget of a run that has not begun. `share` is a fraction of wall time; 1 or more bounds nothing, 0 lets nothing in.
    ///
    /// - Parameter now: seconds of a clock that stands still while the machine is suspended.
    public init(share: Double, past: Past = Past(), now: @escaping @Sendable () -> Double = DiagnosticsBudget.uptime) {
        (self.share, self.now, before) = (share, now, past.elapsed)
        var books = Books(spent: past.spent, counted: past.elapsed)
        for (name, last) in past.last { books.accounts[name] = Account(cost: last.seconds, last: last.version) }
        self.books = Mutex(books)
    }

    /// Seconds that the machine has been running, suspensions left out.
    public static let uptime: @Sendable () -> Double = { [start = SuspendingClock.now] in
        start.duration(to: .now) / .seconds(1)
    }

    /// The run begins: what is waited for before that is no wall time of it. The first call counts.
    public func begin() {
        let now = now()
        books.withLock { $0.started = $0.started ?? now }
    }

    /// Of `names`, those that fit now. `estimates` are seconds for what has not been measured yet.
    ///
    /// Each that is let in is charged later or released, as it is paid for until then.
    public func admit(_ names: [Name], at version: Step, estimates: [Name: Double] = [:]) -> [Name] {
        if share >= 1 { return names }
        let now = now()
        return books.withLock { books in
            let elapsed = elapsed(books, now)
            func cost(_ name: Name) -> Double { books.accounts[name]?.cost ?? estimates[name] ?? 0 }
            if let goal = books.goal {
                books.goal?.saved = min(cost(goal.name), goal.saved + share * max(0, elapsed - books.counted) / 2)
            }
            books.counted = elapsed
            for name in names { books.accounts[name, default: Account()].reserved = 0 }
            let reserved = books.accounts.values.reduce(0) { $0 + $1.reserved }
            var left = share * max(elapsed, Self.shortRun) - books.spent - reserved - (books.goal?.saved ?? 0)
            var admitted: Set<Name> = []
            for name in order(names, books) {
                let (cost, saved) = (cost(name), books.goal?.name == name ? books.goal?.saved ?? 0 : 0)
                if share > 0, cost <= max(left + saved, 0) {
                    left -= cost - saved
                    if books.goal?.name == name { books.goal = nil }
                    books.accounts[name]?.reserved = cost
                    admitted.insert(name)
                } else {
                    books.accounts[name]?.skipped += 1
                    if books.goal == nil, cost.isFinite { books.goal = Goal(name: name) }
                }
            }
            return names.filter(admitted.contains)
        }
    }

    /// The longest put off come first.
    private func order(_ names: [Name], _ books: borrowing Books) -> [Name] {
        let last = names.map { name in books.accounts[name]?.last.map { Int64(clamping: $0) } ?? -1 }
        return names.indices.sorted { (last[$0], $0) < (last[$1], $1) }.map { names[$0] }
    }

    /// Notes what a measurement took; tells how far its interval was stretched, if it was.
    public func charge(_ name: Name, _ duration: Duration, at version: Step) -> Stretch? {
        let cost = duration / .seconds(1)
        return books.withLock { books in
            var account = books.accounts[name] ?? Account()
            let stretch = Stretch(
                name: name, skipped: account.skipped, interval: account.last.map { version - min($0, version) }, seconds: cost)
            books.spent += cost
            account = Account(cost: max(cost, (account.cost ?? 0) / 2), last: version)
            books.accounts[name] = account
            return stretch.skipped > 0 ? stretch : nil
        }
    }

    /// What was let in will not be measured; `duration` was spent on it in vain.
    public func release(_ name: Name, after duration: Duration = .zero) {
        books.withLock { books in
            books.spent += duration / .seconds(1)
            books.accounts[name, default: Account()].reserved = 0
            books.accounts[name, default: Account()].skipped += 1
        }
    }

    /// Diagnostics that were due and passed over since their last measurement, in order: what the record says at the end.
    public var outstanding: [(name: Name, skipped: Int, last: Step?)] {
        books.withLock { books in
            Name.allCases.compactMap { name in
                guard let account = books.accounts[name], account.skipped > 0 else { return nil }
                return (name, account.skipped, account.last)
            }
        }
    }

    /// The share of the run's wall time that diagnostics have taken so far.
    public var spentShare: Double {
        let now = now()
        return books.withLock { books in
            let elapsed = elapsed(books, now)
            return elapsed > 0 ? books.spent / elapsed : 0
        }
    }

    private func elapsed(_ books: borrowing Books, _ now: Double) -> Double { before + (books.started.map { now - $0 } ?? 0) }
}
