import ExperimentFile
import ParameterServer
import Synchronization
import Testing
import Training

@Suite("The diagnostics' budget")
struct DiagnosticsBudgetTests {
    @Test("without a bound admits whatever is due, however dear")
    func unbounded() {
        let budget = DiagnosticsBudget(share: .infinity)
        _ = budget.charge(.curvature, .seconds(1_000_000), at: 0)
        #expect(
            budget.admit([.jacobian, .curvature], at: 1, estimates: [.jacobian: .infinity, .curvature: .infinity])
                == [.jacobian, .curvature])
        #expect(budget.outstanding.isEmpty)
    }

    @Test("of nothing admits nothing that is known to cost")
    func nothing() {
        let budget = DiagnosticsBudget(share: 0)
        #expect(budget.admit([.jacobian], at: 0, estimates: [.jacobian: 0.001]).isEmpty)
    }

    @Test("lends a first measurement, and waits until it is paid back; the record learns how long")
    func stretches() throws {
        // 5 % of the 20 s that a run is taken to last: one second.
        let budget = DiagnosticsBudget(share: 0.05)
        #expect(budget.admit([.spectrum], at: 0) == [.spectrum])
        #expect(budget.charge(.spectrum, .seconds(60), at: 0) == nil)
        for version in [10, 20, 30] as [UInt64] { #expect(budget.admit([.spectrum], at: version).isEmpty) }
        let outstanding = try #require(budget.outstanding.first)
        #expect(outstanding.name == .spectrum && outstanding.skipped == 3 && outstanding.last == 0)
        let stretch = try #require(budget.charge(.spectrum, .seconds(1), at: 40))
        #expect(stretch.skipped == 3 && stretch.interval == 40 && stretch.seconds == 1)
    }

    @Test("what does not fit is left out for what does, and the longest put off comes first")
    func fairness() {
        let budget = DiagnosticsBudget(share: 0.05)
        let estimates: [DiagnosticsSpecification.Name: Double] = [.jacobian: 0.6, .curvature: 30, .adjoint: 0.6]
        #expect(budget.admit([.jacobian, .curvature, .adjoint], at: 0, estimates: estimates) == [.jacobian])
        _ = budget.charge(.jacobian, .milliseconds(100), at: 0)
        let next = budget.admit([.jacobian, .curvature, .adjoint], at: 1, estimates: estimates)
        #expect(next == [.jacobian, .adjoint], "0.9 s are left: 0.6 for what was put off, then 0.1")
    }

    /// A run by a clock of its own, a version a second, in which every measurement takes what was estimated.
    private final class SimulatedRun: Sendable {
        private let clock = Mutex(0.0)
        let share: Double

        init(share: Double) { self.share = share }

        /// The versions of each measurement, and the share of time spent.
        func measured(_ costs: [DiagnosticsSpecification.Name: Double], seconds: Int, past: DiagnosticsBudget.Past = .init()) -> (
            [DiagnosticsSpecification.Name: [Step]], Double
        ) {
            let budget = DiagnosticsBudget(share: share, past: past) { self.clock.withLock { $0 } }
            let names = DiagnosticsSpecification.Name.allCases.filter { costs[$0] != nil }
            var taken: [DiagnosticsSpecification.Name: [Step]] = [:]
            budget.begin()
            for version in 0..<Step(seconds) {
                for name in budget.admit(names, at: version, estimates: costs) {
                    let cost = costs[name] ?? 0
                    clock.withLock { $0 += cost }
                    _ = budget.charge(name, .seconds(cost), at: version)
                    taken[name, default: []].append(version)
                }
                clock.withLock { $0 += 1 }
            }
            return (taken, budget.spentShare)
        }
    }

    @Test("a dear diagnostic among cheap ones that want more than there is has its turn, and all together keep to the share")
    func saving() throws {
        let costs: [DiagnosticsSpecification.Name: Double] = [.spectrum: 0.05, .tails: 0.05, .curvature: 30]
        let (taken, share) = SimulatedRun(share: 0.05).measured(costs, seconds: 6000)
        // 30 s of half of 5 %: every 1200 s and what it takes itself.
        let dear = try #require(taken[.curvature])
        #expect((4...5).contains(dear.count) && dear[0] < 1300, "\(dear)")
        #expect(taken[.spectrum]!.count > 1000 && taken[.tails]!.count > 1000)
        #expect(share <= 0.05 && share > 0.045, "\(share)")
    }

    @Test("alone, it waits for what it costs and no longer")
    func alone() throws {
        let (taken, share) = SimulatedRun(share: 0.05).measured([.curvature: 30], seconds: 3000)
        // When 600 s have passed, its own 30 among them from then on.
        #expect(taken[.curvature] == [600, 1170, 1740, 2310, 2880], "\(taken)")
        #expect(share <= 0.05)
    }

    @Test("what is let in is set aside until it is charged or released, whoever asks next")
    func reserved() {
        let budget = DiagnosticsBudget(share: 0.05)
        #expect(budget.admit([.curvature], at: 0, estimates: [.curvature: 0.8]) == [.curvature])
        #expect(budget.admit([.spectrum], at: 0, estimates: [.spectrum: 0.5]).isEmpty, "0.2 of 1 s are left")
        budget.release(.curvature, after: .milliseconds(100))
        #expect(budget.admit([.spectrum], at: 1, estimates: [.spectrum: 0.5]) == [.spectrum])
        #expect(budget.outstanding.map(\.name) == [.spectrum, .curvature])
    }

    @Test("goes on where a resumed run left off, instead of lending anew")
    func resumed() {
        var past = DiagnosticsBudget.Past()
        (past.elapsed, past.spent) = (100, 5)
        past.last[.spectrum] = (version: 40, seconds: 0.5)
        let (taken, _) = SimulatedRun(share: 0.05).measured([.spectrum: 0.1], seconds: 25, past: past)
        #expect(taken[.spectrum]?.first == 10, "half a second is there after ten: \(taken)")
        let (dear, _) = SimulatedRun(share: 0.05).measured([.curvature: 30], seconds: 520, past: past)
        #expect(dear[.curvature] == nil)
        past.spent = 0
        let (saved, _) = SimulatedRun(share: 0.05).measured([.curvature: 30], seconds: 520, past: past)
        #expect(saved[.curvature] == [500], "600 s of both sittings together")
    }

    @Test("counts no time before the run begins")
    func begun() {
        let clock = Mutex(0.0)
        let budget = DiagnosticsBudget(share: 0.05) { clock.withLock { $0 } }
        clock.withLock { $0 = 10_000 }
        #expect(budget.admit([.curvature], at: 0, estimates: [.curvature: 30]).isEmpty)
        budget.begin()
        clock.withLock { $0 = 10_600 }
        #expect(budget.admit([.curvature], at: 1, estimates: [.curvature: 30]) == [.curvature])
    }
}
