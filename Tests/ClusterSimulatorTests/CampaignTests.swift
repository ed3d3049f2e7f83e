import ParameterServer
import Testing

@testable import ClusterSimulator

@Suite("Simulated clusters")
struct CampaignTests {
    @Test("without faults every configuration ends with the reference trainer's bits")
    func calm() throws {
        for placement in ShardPlacement.allCases {
            let result = try Campaign(faults: false, placement: placement).run(seeds: 0..<108)
            #expect(result.failures.isEmpty, "\(result.failures)")
            #expect(result.runs == 108 && result.reached["calm step"] == 108)
            #expect(result.reached["rollback"] == nil && result.reached["membership: lost"] == nil)
        }
    }

    @Test("whatever goes wrong, nothing is lost")
    func faults() throws {
        // 300 seeds for each configuration, every third of which probes; the command of the simulator takes more.
        let seeds = UInt64(300 * Campaign.Configuration.all.count)
        let result = try Campaign().run(seeds: 0..<seeds)
        #expect(result.failures.isEmpty, "\(result.failures)")
        #expect(result.runs == Int(seeds) && result.faultCounts.count == 8)
        for what in Self.mustReach { #expect(result.reached[what, default: 0] >= 20, "\(what): \(result.reached[what] ?? 0) runs") }
    }

    /// What the campaign is for: each of these is gone through by some runs, or nothing is proved of it.
    static let mustReach = [
        "shards with the coordinator", "shards with the workers", "shards on several threads",
        "thread restored after the hub", "capture missed by a thread", "rollback", "expelled", "interrupted with a snapshot",
        "death while writing", "resumed from a snapshot", "probe finished", "slow step", "frame between parted workers",
        "host lost while placing shards", "host lost while running", "host lost while running, probing",
        "host lost while stopping", "host lost while stopping, probing", "host let go for want of what it had sent",
        "copy not awaited", "capture asked for again", "capture missed", "allowance told again",
        "chunks asked for again", "peers told again", "assignment without its map", "report of another timeline",
        "order of another timeline",
    ]

    @Test("a seed replays event for event")
    func replay() throws {
        let problem = try SimulatedProblem(partitions: 5, clips: true)
        for placement in ShardPlacement.allCases {
            let faults = Fault.schedule(seed: 7, workers: 3, placement: placement)
            let events = try (0..<2).map { _ in
                let simulation = Simulation(problem: problem, workers: 3, placement: placement, seed: 7, faults: faults)
                try simulation.run()
                return [simulation.eventCount, simulation.now]
            }
            #expect(events[0] == events[1])
        }
    }
}
