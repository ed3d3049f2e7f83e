import ExperimentFile
import ParameterServer
import Synchronization

/// Keeps diagnostics within their share of a run's wall time, by putting off what does not fit yet.
///
/// What is measured never depends on it, only when: values are functions of the experiment, the versions at which they are taken are
/// not. Every diagnostic earns an equal part of the share, up to what one measurement of it costs; what it does not need goes into a pot,
/// from which those take that have waited longest. So each has its turn, however many cheap ones want more than there is. Used from any
/// thread.
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

    /// What a run has had before it was resumed; nothing for a new one.
    public struct Past: Sendable {
        /// Seconds that the run has lasted.
        public var elapsed = 0.0
        /// Seconds that diagnostics have taken of them, all together.
        public var spent = 0.0
        public var costs: [Name: Cost] = [:]

        public struct Cost: Hashable, Sendable {
            /// Seconds, of all measurements and of the last one.
            public var (all, last): (Double, Double)
            /// The version of the last one that the resumed run's history has.
            public var version: Step?

            public init(all: Double, last: Double, version: Step?) { (self.all, self.last, self.version) = (all, last, version) }
        }

        public init() {}
    }

    private struct Account {
        /// Seconds that one measurement takes: the last one's; and what was expected of the first.
        var measured: Double?
        var estimate: Double?
        var last: Step?
        var skipped = 0
        /// Seconds that it has earned.
        var credit = 0.0
        /// What is set aside for a measurement that has been let in and is not charged yet.
        var reserved = 0.0
        /// When it was taken last, counted in measurements; 0 when it never was. Versions would not do: a rollback turns them back.
        var turn = 0

        var cost: Double? { measured ?? estimate }
    }

    private struct Books {
        /// Nil until the run begins.
        var started: Double?
        var spent: Double
        var accounts: [Name: Account] = [:]
        /// Seconds that nobody's credit holds; below 0 when measurements took longer than expected.
        var pot: Double
        /// Up to when all that was earned has been given out.
        var counted: Double
        var turns = 0
    }

    /// A run is taken to last at least so long, in seconds: one that is over in no time is looked at too.
    private static let shortRun = 20.0

    /// The share of wall time, 0…1.
    public let share: Double
    private let past: Past
    private let now: @Sendable () -> Double
    private let books: Mutex<Books>

    /// A budget of a run that has not begun.
    ///
    /// - Parameters:
    ///   - share: a fraction of wall time; 1 or more bounds nothing, 0 lets nothing in.
    ///   - names: what will be asked for: a resumed run's diagnostics begin with what they had earned and not spent.
    ///   - now: seconds of a clock that stands still while the machine is suspended.
    public init(
        share: Double, names: [Name] = [], past: Past = Past(), now: @escaping @Sendable () -> Double = DiagnosticsBudget.uptime
    ) {
        (self.share, self.past, self.now) = (share, past, now)
        let counted = max(past.elapsed, Self.shortRun)
        var books = Books(spent: past.spent, pot: share * counted - past.spent, counted: counted)
        let order = past.costs.sorted { ($0.value.version ?? 0, $0.key.rawValue) < ($1.value.version ?? 0, $1.key.rawValue) }
        for (name, cost) in order {
            books.turns += 1
            books.accounts[name] = Account(measured: cost.last, last: cost.version, turn: books.turns)
        }
        let earned = share.isFinite ? share * past.elapsed / Double(max(1, names.count)) : 0
        let unspent = names.map { max(0, earned - (past.costs[$0]?.all ?? 0)) }
        // There may be less, where others have spent what these did not need.
        let part = min(1, max(0, books.pot) / max(unspent.reduce(0, +), .leastNormalMagnitude))
        for (name, amount) in zip(names, unspent) where amount > 0 {
            books.accounts[name, default: Account()].credit = part * amount
            books.pot -= part * amount
        }
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

    /// Of `names`, those that fit now; the longest put off come first. `estimates` are seconds for what has not been measured yet.
    ///
    /// Each that is let in is charged later or released, and paid for until then.
    public func admit(_ names: [Name], at version: Step, estimates: [Name: Double] = [:]) -> [Name] {
        if share >= 1 { return names }
        let now = now()
        return books.withLock { books in
            for name in names {
                var account = books.accounts[name] ?? Account()
                account.estimate = estimates[name] ?? account.estimate
                (account.credit, account.reserved) = (account.credit + account.reserved, 0)
                books.accounts[name] = account
            }
            earn(&books, until: elapsed(books, now))
            var admitted: Set<Name> = []
            for name in order(names, books) {
                guard var account = books.accounts[name] else { continue }
                let cost = account.cost ?? 0
                if share > 0, cost <= account.credit + max(books.pot, 0) {
                    let own = min(cost, account.credit)
                    (account.credit, account.reserved) = (account.credit - own, cost)
                    books.pot -= cost - own
                    admitted.insert(name)
                } else {
                    account.skipped += 1
                }
                books.accounts[name] = account
            }
            return names.filter(admitted.contains)
        }
    }

    /// Gives out what has come in. Debts are paid first.
    private func earn(_ books: inout Books, until elapsed: Double) {
        var income = share * max(0, elapsed - books.counted)
        books.counted = max(books.counted, elapsed)
        let repaid = min(income, max(0, -books.pot))
        (books.pot, income) = (books.pot + repaid, income - repaid)
        let earners = books.accounts.filter { $0.value.cost.map { $0 > 0 && $0.isFinite } ?? false }.keys
        books.pot += earners.isEmpty ? income : 0
        for name in earners {
            guard var account = books.accounts[name] else { continue }
            let credit = account.credit + income / Double(earners.count)
            account.credit = min(credit, account.cost ?? 0)
            books.pot += credit - account.credit
            books.accounts[name] = account
        }
    }

    /// The longest put off come first.
    private func order(_ names: [Name], _ books: borrowing Books) -> [Name] {
        let turns = names.map { books.accounts[$0]?.turn ?? 0 }
        return names.indices.sorted { (turns[$0], $0) < (turns[$1], $1) }.map { names[$0] }
    }

    /// Notes what a measurement took; tells how far its interval was stretched, if it was.
    public func charge(_ name: Name, _ duration: Duration, at version: Step) -> Stretch? {
        let cost = duration / .seconds(1)
        return books.withLock { books in
            var account = books.accounts[name] ?? Account()
            let stretch = Stretch(
                name: name, skipped: account.skipped, interval: account.last.map { version - min($0, version) }, seconds: cost)
            books.spent += cost
            books.pot += account.reserved - cost
            account.measured = max(cost, (account.measured ?? 0) / 2)
            books.turns += 1
            (account.last, account.skipped, account.reserved, account.turn) = (version, 0, 0, books.turns)
            books.accounts[name] = account
            return stretch.skipped > 0 ? stretch : nil
        }
    }

    /// What was let in will not be measured; `duration` was spent on it in vain.
    public func release(_ name: Name, after duration: Duration = .zero) {
        let cost = duration / .seconds(1)
        books.withLock { books in
            guard var account = books.accounts[name] else { return }
            books.spent += cost
            let left = account.reserved - cost
            account.credit += max(0, left)
            books.pot += min(0, left)
            account.reserved = 0
            books.accounts[name] = account
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

    private func elapsed(_ books: borrowing Books, _ now: Double) -> Double { past.elapsed + (books.started.map { now - $0 } ?? 0) }
}
