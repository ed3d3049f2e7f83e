import ExperimentFile
import ParameterServer
import Synchronization

/// Keeps diagnostics within their share of a run's wall time, by putting off what does not fit yet.
///
/// What is measured never depends on it, only when: values are functions of the experiment, the versions at which they are taken are
/// not. Used from any thread.
public final class DiagnosticsBudget: Sendable {
    /// A change of the interval at which a diagnostic is in fact taken.
    public struct Stretch: Hashable, Sendable {
        public var name: DiagnosticsSpecification.Name
        /// Versions that were due and passed over since the last measurement, or since the start.
        public var skipped: Int
        /// Versions since the last measurement; nil when there was none.
        public var interval: Step?
        public var seconds: Double
    }

    private struct Account {
        /// Seconds that one measurement takes: the last one's, or what is expected of the first.
        var cost: Double?
        var last: Step?
        var skipped = 0
    }

    private struct Books {
        var spent = 0.0
        var accounts: [DiagnosticsSpecification.Name: Account] = [:]
    }

    /// A run is taken to last at least so long, in seconds: one that is over in no time is looked at too.
    private static let shortRun = 20.0

    /// The share of wall time, 0…1.
    public let share: Double
    private let started: ContinuousClock.Instant
    private let books = Mutex(Books())

    /// A budget that begins now. `share` is a fraction of wall time; 1 or more bounds nothing.
    public init(share: Double) {
        self.share = share
        started = .now
    }

    /// Of `names`, those that fit now; the longest put off come first. `estimates` are seconds for what has not been measured yet.
    public func admit(
        _ names: [DiagnosticsSpecification.Name], at version: Step, estimates: [DiagnosticsSpecification.Name: Double] = [:]
    ) -> [DiagnosticsSpecification.Name] {
        if share >= 1 { return names }
        let elapsed = seconds(ContinuousClock.now - started)
        return books.withLock { books in
            var left = share * max(elapsed, Self.shortRun) - books.spent
            var admitted: [DiagnosticsSpecification.Name] = []
            let order = names.enumerated().sorted { a, b in
                let (x, y) = (books.accounts[a.element]?.last, books.accounts[b.element]?.last)
                return (x.map { Int64($0) } ?? -1, a.offset) < (y.map { Int64($0) } ?? -1, b.offset)
            }
            for (_, name) in order {
                let cost = books.accounts[name]?.cost ?? estimates[name] ?? 0
                if cost <= max(left, 0) {
                    left -= cost
                    admitted.append(name)
                } else {
                    books.accounts[name, default: Account()].skipped += 1
                }
            }
            return names.filter(admitted.contains)
        }
    }

    /// Notes what a measurement took; tells how far its interval was stretched, if it was.
    public func charge(_ name: DiagnosticsSpecification.Name, _ duration: Duration, at version: Step) -> Stretch? {
        let cost = seconds(duration)
        return books.withLock { books in
            var account = books.accounts[name] ?? Account()
            let stretch = Stretch(
                name: name, skipped: account.skipped, interval: account.last.map { version - min($0, version) }, seconds: cost)
            books.spent += cost
            account.cost = max(cost, (account.cost ?? 0) / 2)
            account.last = version
            account.skipped = 0
            books.accounts[name] = account
            return stretch.skipped > 0 ? stretch : nil
        }
    }

    /// Diagnostics that were due and passed over since their last measurement, in order: what the record says at the end.
    public var outstanding: [(name: DiagnosticsSpecification.Name, skipped: Int, last: Step?)] {
        books.withLock { books in
            DiagnosticsSpecification.Name.allCases.compactMap { name in
                guard let account = books.accounts[name], account.skipped > 0 else { return nil }
                return (name, account.skipped, account.last)
            }
        }
    }

    /// The share of wall time that diagnostics have taken so far.
    public var spentShare: Double {
        let elapsed = seconds(ContinuousClock.now - started)
        return books.withLock { elapsed > 0 ? $0.spent / elapsed : 0 }
    }

    private func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }
}
