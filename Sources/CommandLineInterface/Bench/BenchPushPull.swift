import ArgumentParser
import Cluster
import ExperimentFile
import Foundation
import Training

/// Push and pull of whole models over tcp beside libzmq alone.
struct BenchPushPull: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pushpull",
        abstract: """
            Push and pull over tcp on this machine, one shard host that applies SGD and one worker, beside libzmq alone moving as many bytes \
            both ways at once; by turns in one run.
            """)

    @Option(
        name: .customLong("size"), parsing: .singleValue,
        help: ArgumentHelp(
            "What is exchanged: \(PushPullModel.allCases.map(\.rawValue).joined(separator: ", ")); all by default. May be repeated."
        ))
    var sizes: [String] = []

    @Option(help: "Measured rounds, in each of which both are measured.") var rounds: Int = 7
    @Option(help: "About how many seconds each takes in a round.") var seconds: Double = 1
    @Flag(help: "Print one object of JSON.") var json = false

    func validate() throws {
        if let unknown = sizes.first(where: { PushPullModel(rawValue: $0) == nil }) {
            throw ValidationError(
                "--size is '\(unknown)'; it is one of \(PushPullModel.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        if rounds < 1 || rounds > 1000 { throw ValidationError("--rounds is \(rounds); 1 to 1000 rounds can be measured.") }
        if !(seconds >= 0.01 && seconds <= 60) {
            throw ValidationError("--seconds is \(seconds); 0.01 to 60 seconds can be measured.")
        }
    }

    func run() throws {
        let chosen = sizes.isEmpty ? PushPullModel.allCases : sizes.compactMap(PushPullModel.init(rawValue:))
        let before = MachineLoad.now
        let rows = try chosen.map { try PushPullMeasurement.run($0, rounds: rounds, seconds: seconds) }
        let result = PushPullBenchmark(rounds: rounds, rows: rows, loadBefore: before, loadAfter: MachineLoad.now)
        if json { print(try SortedJSON.text(result)) } else { result.lines.forEach { print($0) } }
    }
}

/// What is exchanged.
enum PushPullModel: String, CaseIterable, Sendable {
    case sixtyFour1MB = "1MB"
    case sixteen16MB = "16MB"
    case four64MB = "64MB"
    /// Blocks that share chunks.
    case many4KB = "4KB"
    /// One block of 4 KB, one exchange at a time.
    case one4KB = "4KB-alone"

    /// As `64 tensors of 1 MB`.
    var title: String {
        self == .one4KB ? "one block of 4 KB, one in flight" : "\(tensors) tensors of \(rawValue.dropLast(2)) \(rawValue.suffix(2))"
    }

    var tensors: Int {
        switch self {
        case .sixtyFour1MB: 64
        case .sixteen16MB: 16
        case .four64MB: 4
        case .many4KB: 8192
        case .one4KB: 1
        }
    }

    /// Bytes of a frame of libzmq alone.
    var frameBytes: Int {
        switch self {
        case .sixtyFour1MB, .sixteen16MB, .four64MB: 1 << 20
        case .many4KB, .one4KB: 4096
        }
    }

    /// Dense layers of that many weights; biases, embedding and readout are little beside them. A single block is a network of 1024
    /// parameters in all.
    private var shape: (width: Int, depth: Int, features: Int, path: String) {
        switch self {
        case .sixtyFour1MB: (512, tensors, 1, "{ family: dense }")
        case .sixteen16MB: (2048, tensors, 1, "{ family: dense }")
        case .four64MB: (4096, tensors, 1, "{ family: dense }")
        case .many4KB: (32, tensors, 1, "{ family: dense }")
        case .one4KB: (16, 1, 59, "{ family: identity }")
        }
    }

    /// The plan of a run that exchanges this. Blocking: makes the data.
    func plan() throws -> TrainingPlan {
        let shape = shape
        let yaml = """
            name: bench-pushpull
            data: { source: synthetic, examples: 64, features: \(shape.features), classes: 2, test: 0, validation: 0 }
            model:
              width: \(shape.width)
              depth: \(shape.depth)
              path: \(shape.path)
              correction: { kind: none }
              activation: none
            optimizer: { kind: sgd, learningRate: 0.000001 }
            training:
              batch: 1
              partitions: 1
              steps: 1000000000
              placement: coordinator
              onNonFinite: continue
              validateEvery: 0
              checkpointEvery: 0
            diagnostics: { select: [] }
            """
        return try ExperimentOptions.plan(try Experiment(yaml: yaml, source: "bench pushpull"))
    }
}
