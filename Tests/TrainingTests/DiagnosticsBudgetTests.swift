import ExperimentFile
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
}
