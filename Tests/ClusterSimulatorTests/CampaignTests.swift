import Testing

@testable import ClusterSimulator

@Suite("Simulated clusters")
struct CampaignTests {
    @Test("without faults every configuration ends with the reference trainer's bits")
    func calm() throws {
        let result = try Campaign(faults: false).run(seeds: 0..<216)
        #expect(result.failures.isEmpty, "\(result.failures)")
        #expect(result.runs == 216)
    }

    @Test("whatever goes wrong, nothing is lost")
    func faults() throws {
        // 300 seeds for each configuration, every third of which probes; the command of the simulator takes more.
        let seeds = UInt64(300 * Campaign.Configuration.all.count)
        let result = try Campaign().run(seeds: 0..<seeds)
        #expect(result.failures.isEmpty, "\(result.failures)")
        #expect(result.runs == Int(seeds) && result.faultCounts.count == 8)
    }

    @Test("a seed replays event for event")
    func replay() throws {
        let problem = try SimulatedProblem(partitions: 5, clips: true)
        let events = try (0..<2).map { _ in
            let simulation = Simulation(problem: problem, workers: 3, seed: 7, faults: Fault.schedule(seed: 7, workers: 3))
            try simulation.run()
            return [simulation.eventCount, simulation.now]
        }
        #expect(events[0] == events[1])
    }
}
