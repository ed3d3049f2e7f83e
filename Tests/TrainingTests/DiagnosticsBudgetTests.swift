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

    typealias Costs = [DiagnosticsSpecification.Name: Double]

    /// A run by a clock of its own, a version a second, in which every measurement takes what was estimated.
    ///
    /// The weights' diagnostics are asked for apart from the probes', each with their own estimates, as the recorder's thread and the
    /// coordinator's do.
    private static func simulate(
        _ costs: Costs, seconds: Int, past: DiagnosticsBudget.Past = .init(), probesFirst: Bool = false, probeEvery: Step = 1
    ) -> (taken: [DiagnosticsSpecification.Name: [Step]], share: Double) {
        let clock = Mutex(0.0)
        let chosen = DiagnosticsSpecification.Name.allCases.filter { costs[$0] != nil }
        let budget = DiagnosticsBudget(share: 0.05, names: chosen, past: past) { clock.withLock { $0 } }
        let tiers = [chosen.filter { $0.tier == .onTheWeights }, chosen.filter { $0.tier == .onProbes }]
        var taken: [DiagnosticsSpecification.Name: [Step]] = [:]
        budget.begin()
        for version in 0..<Step(seconds) {
            for (index, names) in (probesFirst ? tiers.reversed() : tiers).enumerated() {
                // No probe is due at first, as after a resume.
                if probeEvery > 1, index == (probesFirst ? 0 : 1), version % probeEvery != probeEvery - 1 { continue }
                for name in budget.admit(names, at: version, estimates: costs.filter { names.contains($0.key) }) {
                    let cost = costs[name] ?? 0
                    clock.withLock { $0 += cost }
                    _ = budget.charge(name, .seconds(cost), at: version)
                    taken[name, default: []].append(version)
                }
            }
            clock.withLock { $0 += 1 }
        }
        return (taken, budget.spentShare)
    }

    @Test(
        "a dear diagnostic among cheap ones that want more than there is has its turn, and all together keep to the share",
        arguments: [false, true])
    func saving(probesFirst: Bool) throws {
        let costs: Costs = [.spectrum: 0.05, .tails: 0.05, .curvature: 30]
        let (taken, share) = Self.simulate(costs, seconds: 6000, probesFirst: probesFirst)
        // A third of 5 % makes 30 s in 1800 s.
        let dear = try #require(taken[.curvature])
        #expect(dear.count == 3 && dear[0] < 1850, "\(dear)")
        #expect(taken[.spectrum]!.count > 1500 && taken[.tails]!.count > 1500)
        #expect(share <= 0.05 && share > 0.045, "\(share)")
    }

    @Test("all of several dear ones have their turns", arguments: [false, true])
    func turns(probesFirst: Bool) throws {
        let costs: Costs = [.spectrum: 1.2, .tails: 1.7, .jacobian: 3, .curvature: 60]
        let (taken, share) = Self.simulate(costs, seconds: 20_000, probesFirst: probesFirst)
        // Each by a quarter of 1000 s.
        for (name, cost) in costs { #expect(taken[name]!.count >= Int(240 / cost) - 1, "\(name): \(taken[name]!.count)") }
        #expect(share <= 0.05 && share > 0.045, "\(share)")
    }

    @Test("what one does not need the others have")
    func pot() throws {
        let (taken, share) = Self.simulate([.spectrum: 0.001, .curvature: 30], seconds: 6000)
        #expect(taken[.spectrum]!.count == 6000 && taken[.curvature]!.count == 10, "\(taken[.curvature]!)")
        #expect(share <= 0.05)
    }

    @Test("alone, it waits for what it costs and no longer")
    func alone() throws {
        let (taken, share) = Self.simulate([.curvature: 30], seconds: 3000)
        // When 600 s have passed, its own 30 among them from then on.
        #expect(taken[.curvature] == [600, 1170, 1740, 2310, 2880], "\(taken)")
        #expect(share <= 0.05)
    }

    @Test("one that took longer than expected is paid back before anything is earned")
    func debt() {
        let clock = Mutex(0.0)
        let budget = DiagnosticsBudget(share: 0.05) { clock.withLock { $0 } }
        budget.begin()
        #expect(budget.admit([.jacobian, .adjoint], at: 0, estimates: [.jacobian: 0.5, .adjoint: 0.4]) == [.jacobian, .adjoint])
        _ = budget.charge(.jacobian, .seconds(31), at: 0)
        _ = budget.charge(.adjoint, .milliseconds(400), at: 0)
        // 30.4 s more than there was: 608 s of 5 %, after the 20 that were lent.
        clock.withLock { $0 = 627 }
        #expect(budget.admit([.adjoint], at: 1).isEmpty)
        clock.withLock { $0 = 645 }
        #expect(budget.admit([.adjoint], at: 2) == [.adjoint])
    }

    @Test("what is let in is set aside until it is charged or released, whoever asks next")
    func reserved() {
        let budget = DiagnosticsBudget(share: 0.05)
        #expect(budget.admit([.curvature], at: 0, estimates: [.curvature: 0.8]) == [.curvature])
        #expect(budget.admit([.spectrum], at: 0, estimates: [.spectrum: 0.5]).isEmpty, "0.2 of 1 s are left")
        budget.release(.curvature, after: .milliseconds(100))
        #expect(budget.admit([.spectrum], at: 1, estimates: [.spectrum: 0.5]).isEmpty, "curvature holds the 0.7 s")
        #expect(budget.admit([.curvature], at: 1) == [.curvature], "it costs 0.8, and 0.9 are there")
        #expect(budget.outstanding.map(\.name) == [.spectrum], "nothing was put off that was let in")
    }

    @Test("goes on where a resumed run left off, instead of lending anew or forgetting what was saved")
    func resumed() {
        var past = DiagnosticsBudget.Past()
        (past.elapsed, past.spent) = (100, 5)
        past.costs[.spectrum] = .init(all: 5, last: 0.5, version: 40)
        let taken = Self.simulate([.spectrum: 0.1], seconds: 25, past: past).taken
        #expect(taken[.spectrum].map { (10...11).contains($0[0]) } == true, "half a second is there after ten: \(taken)")
        // Of 1000 s earlier, curvature's half of 5 % is kept for it: 25 of 30 s.
        past = .init()
        (past.elapsed, past.spent) = (1000, 25)
        past.costs[.spectrum] = .init(all: 25, last: 0.05, version: 40)
        let saved = Self.simulate([.spectrum: 0.05, .curvature: 30], seconds: 400, past: past).taken
        #expect(saved[.curvature].map { (180...220).contains($0[0]) } == true, "\(saved[.curvature] ?? [])")
    }

    @Test(
        "what was saved is not spent by others before the next probe is due, and many short lives come to as much as one long one")
    func lives() {
        let costs: Costs = [.spectrum: 1.2, .curvature: 60]
        var (past, taken) = (DiagnosticsBudget.Past(), [Step]())
        for _ in 0..<25 {
            let life = Self.simulate(costs, seconds: 400, past: past, probeEvery: 150)
            past.elapsed += 400 + life.taken.reduce(0) { $0 + Double($1.value.count) * costs[$1.key]! }
            for (name, versions) in life.taken {
                let all = (past.costs[name]?.all ?? 0) + Double(versions.count) * costs[name]!
                past.costs[name] = .init(all: all, last: costs[name]!, version: 0)
            }
            past.spent = past.costs.values.reduce(0) { $0 + $1.all }
            taken += life.taken[.curvature] ?? []
        }
        // Half of 5 % of 10,500 s is 262 s.
        #expect((3...4).contains(taken.count), "\(taken)")
        #expect(past.spent <= 0.05 * past.elapsed && past.spent > 0.04 * past.elapsed, "\(past.spent) of \(past.elapsed)")
    }

    @Test("a better estimate takes the place of the first")
    func estimates() {
        let clock = Mutex(0.0)
        let budget = DiagnosticsBudget(share: 0.05) { clock.withLock { $0 } }
        budget.begin()
        #expect(budget.admit([.curvature], at: 0, estimates: [.curvature: 1e6]).isEmpty)
        clock.withLock { $0 = 600 }
        #expect(budget.admit([.curvature], at: 1, estimates: [.curvature: 29]) == [.curvature])
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
