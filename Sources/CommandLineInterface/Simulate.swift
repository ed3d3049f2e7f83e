import ArgumentParser
import ClusterSimulator
import Foundation
import ParameterServer

/// `plumb simulate`: the protocol under a seeded network, clock and disk.
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Runs the cluster's protocol in simulated clusters, where a seed decides what goes wrong, and checks every bit.")

    @Flag(help: "Let things go wrong: loss, delay, cuts, pauses, crashes, torn writes, power losses.")
    var faults = false

    @Option(help: "How many seeds.")
    var seeds: UInt64 = 2000

    @Option(help: "The first seed. To see a failure again: --first SEED --seeds 1.")
    var first: UInt64 = 0

    @Option(help: "Workers; by default 1 to 6 in turn.")
    var workers: Int?

    @Option(help: "Partitions; by default 1 to 9 in turn.")
    var partitions: Int?

    @Option(help: "Where shards live, coordinator or workers; by default each seed decides.", transform: Self.placement)
    var placement: ShardPlacement?

    @Option(help: "Threads that simulate.")
    var threads: Int = 2

    @Flag(help: "One JSON object on standard output.")
    var json = false

    func validate() throws {
        if let workers, workers < 1 { throw ValidationError("--workers is \(workers); a cluster has at least 1.") }
        if let partitions, partitions < 1 { throw ValidationError("--partitions is \(partitions); data has at least 1.") }
        if threads < 1 { throw ValidationError("--threads is \(threads); at least 1 is needed.") }
    }

    func run() throws {
        let shapes = Campaign.Configuration.all.filter { workers == nil && partitions == nil || matches($0) }
        let chosen = shapes.isEmpty ? [false, true].map { shape($0) } : shapes
        let shown = !json && isatty(STDERR_FILENO) == 1
        let total = seeds
        let campaign = Campaign(configurations: chosen, faults: faults, placement: placement, threads: threads)
        let result = try campaign.run(seeds: first..<first + seeds) { done in
            if shown { try? FileHandle.standardError.write(contentsOf: Array("\r\(done) of \(total) seeds".utf8)) }
        }
        if shown { try? FileHandle.standardError.write(contentsOf: Array("\r".utf8)) }
        let rate = result.seconds > 0 ? Double(result.runs) / result.seconds * 60 : 0
        if json {
            let object: [String: Any] = [
                "runs": result.runs, "events": result.events, "violations": result.failures.count, "seconds": result.seconds,
                "seedsPerMinute": rate, "configurations": chosen.count, "faults": faults, "reached": result.reached,
            ]
            let data = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys])
            print(String(decoding: data, as: UTF8.self))
        } else {
            print(
                "\(result.runs) runs, \(result.events) events, \(chosen.count) configurations, "
                    + "\(String(format: "%.1f", result.seconds)) s: \(Int(rate)) seeds a minute, \(result.failures.count) violations"
            )
            var table = TextTable("reached", "runs")
            for (what, count) in result.reached.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
                table.append(what, "\(count)")
            }
            if faults { table.lines().forEach { print($0) } }
        }
        for failure in result.failures {
            try FileHandle.standardError.write(
                contentsOf: Array("\(failure)\nto see it again: \(Invocation.program) simulate \(again(failure.seed))\n".utf8))
        }
        if !result.failures.isEmpty { throw ExitCode(1) }
    }

    private static func placement(_ text: String) throws -> ShardPlacement {
        guard let placement = ShardPlacement(rawValue: text) else {
            throw ValidationError("--placement is \(text); shards live with the coordinator or with the workers.")
        }
        return placement
    }

    private func matches(_ shape: Campaign.Configuration) -> Bool {
        (workers == nil || workers == shape.workers) && (partitions == nil || partitions == shape.partitions)
    }

    private func shape(_ clips: Bool) -> Campaign.Configuration {
        .init(workers: workers ?? 3, partitions: partitions ?? 4, clips: clips)
    }

    private func again(_ seed: UInt64) -> String {
        var words = faults ? ["--faults"] : []
        if let workers { words += ["--workers", "\(workers)"] }
        if let partitions { words += ["--partitions", "\(partitions)"] }
        if let placement { words += ["--placement", placement.rawValue] }
        return (words + ["--first", "\(seed)", "--seeds", "1"]).joined(separator: " ")
    }
}
