import ArgumentParser
import Foundation

/// Training beside PyTorch and JAX.
struct BenchPeers: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers",
        abstract: "Training beside PyTorch and JAX on two cores of this machine; by turns in one run.",
        discussion: """
            Two workers of one thread each, PyTorch as DistributedDataParallel over gloo in two processes, JAX compiled. The networks are those of \
            \(PeerScripts.instructions), which says how to install the peers. The weights of all of plumb's runs of one network must be the same.
            """)

    @Option(help: "The interpreter that has the peers.") var python: String = "python3"
    @Option(help: "The folder Benchmarks of plumb's sources, where the scripts are.") var scripts: String = "Benchmarks"
    @Option(name: .customLong("config"), parsing: .singleValue, help: "A network; all by default. May be repeated.")
    var configurations: [PeerConfiguration] = PeerConfiguration.allCases
    @Option(name: .customLong("peer"), parsing: .singleValue, help: "Whom to measure beside plumb. May be repeated.")
    var peers: [Peer] = [.torch, .torchTuned, .jax]
    @Option(
        name: .customLong("way"), parsing: .singleValue,
        help: "Plumb's placement of shards, and how payloads travel. May be repeated.")
    var ways: [TrainingWay] = [.workersAuto, .workersTCP, .coordinatorAuto]
    @Option(help: "Measured rounds, in each of which everybody is measured.") var rounds: Int = 5
    @Option(help: "About how many seconds each takes in a round.") var seconds: Double = 5
    @Flag(help: "Print one object of JSON.") var json = false

    func validate() throws {
        if rounds < 1 || rounds > 1000 { throw ValidationError("--rounds is \(rounds); 1 to 1000 rounds can be measured.") }
        if !(seconds >= 0.01 && seconds <= 3600) {
            throw ValidationError("--seconds is \(seconds); 0.01 to 3600 seconds can be measured.")
        }
    }

    func run() throws {
        let scripts = PeerScripts(python: python, folder: scripts)
        try scripts.require(peers)
        let before = MachineLoad.now
        var rows: [PeersMeasurement] = []
        try scripts.measure(configurations, peers, ways, rounds: rounds, seconds: seconds) { rates in
            let row = PeersMeasurement(rates, ways: ways, peers: peers)
            rows.append(row)
            if !json { (row.lines + [""]).forEach { print($0) } }
        }
        let result = PeersBenchmark(rounds: rounds, seconds: seconds, configs: rows, loadBefore: before, loadAfter: MachineLoad.now)
        print(json ? try SortedJSON.text(result) : result.conditions)
    }
}

/// A network that every peer trains, by the name that the scripts know it by.
enum PeerConfiguration: String, CaseIterable, ExpressibleByArgument, Sendable { case a, b, c, d, narrow }

/// Whom plumb is measured beside.
enum Peer: String, CaseIterable, ExpressibleByArgument, Sendable {
    case torch = "torch-ddp"
    /// With glibc's malloc told to keep what it frees.
    case torchTuned = "torch-ddp-tuned"
    /// With PyTorch's fused SGD.
    case torchFused = "torch-ddp-fused"
    case torchTunedFused = "torch-ddp-tuned-fused"
    case jax

    /// The module that it needs.
    var module: String { self == .jax ? "jax" : "torch" }

    /// As the scripts have it: the peer, then its options.
    var words: String {
        let options = rawValue.dropFirst("torch-ddp".count).split(separator: "-").joined(separator: " ")
        return self == .jax ? "jax" : options.isEmpty ? "torch-ddp" : "torch-ddp \(options)"
    }
}

/// Where plumb's shards live, and how payloads travel.
enum TrainingWay: String, CaseIterable, ExpressibleByArgument, Sendable {
    case workersAuto = "workers/auto"
    case workersTCP = "workers/tcp"
    case coordinatorAuto = "coordinator/auto"
    case coordinatorTCP = "coordinator/tcp"
}
