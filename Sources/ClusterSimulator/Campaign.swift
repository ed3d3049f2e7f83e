import Foundation
import ParameterServer
import Synchronization

/// Many simulated runs, seed after seed, on all configurations in turn.
public struct Campaign: Sendable {
    /// One shape of cluster.
    public struct Configuration: Hashable, Sendable, CustomStringConvertible {
        public var workers: Int
        public var partitions: Int
        public var clips: Bool
        /// Whether versions are probed.
        public var probes: Bool

        public init(workers: Int, partitions: Int, clips: Bool, probes: Bool = false) {
            (self.workers, self.partitions, self.clips, self.probes) = (workers, partitions, clips, probes)
        }

        public var description: String {
            "\(workers) workers, \(partitions) partitions\(clips ? ", clipping" : "")\(probes ? ", probes" : "")"
        }

        /// 1–6 workers, 1–9 partitions, with and without clipping; every third of them with probes.
        public static let all: [Configuration] = (1...6).flatMap { workers in
            (1...9).flatMap { partitions in
                [false, true].map {
                    Configuration(
                        workers: workers, partitions: partitions, clips: $0, probes: (workers + partitions).isMultiple(of: 3))
                }
            }
        }
    }

    /// A seed that breaks an invariant, with the fewest faults that still do.
    public struct Failure: Sendable, CustomStringConvertible {
        public var seed: UInt64
        public var configuration: Configuration
        public var placement: ShardPlacement
        public var violation: String
        public var schedule: [String]

        public var description: String {
            let lines = schedule.isEmpty ? ["  (no fault is needed)"] : schedule.map { "  " + $0 }
            return
                "seed \(seed), \(configuration), shards with the \(placement): \(violation)\nthe fewest faults that bring it about:\n"
                + lines.joined(separator: "\n")
        }
    }

    /// What a campaign has seen.
    public struct Result: Sendable {
        public var runs = 0
        public var events = 0
        public var failures: [Failure] = []
        public var seconds = 0.0
        /// Runs by number of faults in their schedule.
        public var faultCounts: [Int: Int] = [:]
        /// How many runs went through what.
        public var reached: [String: Int] = [:]
    }

    public var configurations: [Configuration]
    /// Whether anything goes wrong at all.
    public var faults: Bool
    /// Where shards live; by default each seed decides.
    public var placement: ShardPlacement?
    public var threads: Int

    public init(
        configurations: [Configuration] = Configuration.all, faults: Bool = true, placement: ShardPlacement? = nil, threads: Int = 2
    ) {
        (self.configurations, self.faults, self.placement, self.threads) = (configurations, faults, placement, threads)
    }

    /// Runs each seed on the configuration that its number chooses; stops early after `failuresMax` failures. Blocking.
    ///
    /// - Throws: what making the tiny problems throws.
    public func run(seeds: Range<UInt64>, failuresMax: Int = 1, progress: @escaping @Sendable (Int) -> Void = { _ in }) throws
        -> Result
    {
        let problems = try Problems(configurations)
        let start = ContinuousClock.now
        let next = Atomic<UInt64>(seeds.lowerBound)
        let results = Mutex(Result())
        let group = DispatchGroup()
        for _ in 0..<max(1, threads) {
            let thread = Thread {
                defer { group.leave() }
                while true {
                    let seed = next.add(1, ordering: .relaxed).oldValue
                    guard seed < seeds.upperBound, results.withLock({ $0.failures.count < failuresMax }) else { return }
                    let outcome = one(seed, problems)
                    let done = results.withLock { result in
                        result.runs += 1
                        result.events += outcome.events
                        for what in outcome.reached { result.reached[what, default: 0] += 1 }
                        result.faultCounts[outcome.faults, default: 0] += 1
                        if let failure = outcome.failure { result.failures.append(failure) }
                        return result.runs
                    }
                    if done.isMultiple(of: 1000) { progress(done) }
                }
            }
            thread.stackSize = 8 << 20
            group.enter()
            thread.start()
        }
        group.wait()
        var result = results.withLock { $0 }
        let elapsed = ContinuousClock.now - start
        result.seconds = elapsed.inSeconds
        return result
    }

    private func one(_ seed: UInt64, _ problems: Problems) -> Outcome {
        let configuration = configurations[Int(seed % UInt64(configurations.count))]
        let problem = problems[configuration]
        var choice = Dice(seed: seed, purpose: "placement")
        let placement = placement ?? (choice.chance(0.5) ? .workers : .coordinator)
        let schedule = faults ? Fault.schedule(seed: seed, workers: configuration.workers, placement: placement) : []
        func simulate(_ faults: [Fault]) -> (violation: Violation?, events: Int, reached: [String]) {
            let simulation = Simulation(
                problem: problem, workers: configuration.workers, placement: placement, seed: seed, faults: faults)
            var found: Violation?
            do { try simulation.run() } catch let violation as Violation { found = violation } catch {
                found = Violation(time: simulation.now, what: "\(error)")
            }
            let threads = simulation.coordinatorMap?.hosts.count ?? 0
            let reached = Array(simulation.reached.keys) + (threads > 1 ? ["shards on several threads"] : [])
            return (found, simulation.eventCount, reached)
        }
        let run = simulate(schedule)
        var outcome = Outcome(
            events: run.events, faults: schedule.count, reached: run.reached + ["shards with the \(placement)"])
        guard let found = run.violation else { return outcome }
        let (fewest, last) = minimise(schedule, found) { simulate($0).violation }
        outcome.failure = Failure(
            seed: seed, configuration: configuration, placement: placement, violation: "\(last)",
            schedule: fewest.map(\.description))
        return outcome
    }

    private struct Outcome {
        var failure: Failure?
        var events: Int
        var faults: Int
        var reached: [String]
    }

    /// Leaves faults away, one after the other, as long as some invariant still breaks.
    private func minimise(_ faults: [Fault], _ found: Violation, _ violation: ([Fault]) -> Violation?) -> ([Fault], Violation) {
        var (faults, found) = (faults, found)
        var index = 0
        while index < faults.count {
            var fewer = faults
            fewer.remove(at: index)
            if let still = violation(fewer) {
                (faults, found) = (fewer, still)
                index = 0
            } else {
                index += 1
            }
        }
        return (faults, found)
    }
}

/// The problems of some configurations, each made once.
private struct Problems: Sendable {
    private struct Key: Hashable {
        var partitions: Int
        var clips: Bool
        var probes: Bool

        init(_ configuration: Campaign.Configuration) {
            (partitions, clips, probes) = (configuration.partitions, configuration.clips, configuration.probes)
        }
    }
    private let problems: [Key: SimulatedProblem]

    init(_ configurations: [Campaign.Configuration]) throws {
        var problems: [Key: SimulatedProblem] = [:]
        for configuration in configurations {
            let key = Key(configuration)
            if problems[key] == nil {
                problems[key] = try SimulatedProblem(partitions: key.partitions, clips: key.clips, probes: key.probes)
            }
        }
        self.problems = problems
    }

    subscript(_ configuration: Campaign.Configuration) -> SimulatedProblem {
        guard let problem = problems[Key(configuration)] else {
            preconditionFailure("every configuration has its problem")
        }
        return problem
    }
}
