import ArgumentParser
import Cluster
import Datasets
import ExperimentFile
import Foundation
import RunStore
import Training
import Transport

/// The command line.
@main
struct Plumb: ParsableCommand {
    static let version = "0.1.0"
    static let build = "plumb \(version)"

    static let configuration = CommandConfiguration(
        commandName: "plumb",
        abstract:
            "Trains deep networks of structured layers with a parameter server, and shows what happens inside while they learn.",
        version: version,
        subcommands: [
            Train.self, Coordinator.self, Worker.self, Evaluate.self, Inspect.self, Bench.self, DataCommand.self, Doctor.self,
            Init.self, Status.self, Stop.self, Simulate.self,
        ])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch { exit(with: error) }
    }

    /// One sentence on standard error, and the exit code that goes with the kind of error.
    private static func exit(with error: any Error) -> Never {
        let code = ExitStatus.of(error)
        guard let code else { Self.exit(withError: error) }
        try? FileHandle.standardError.write(contentsOf: Array("plumb: \(error)\n".utf8))
        Foundation.exit(code)
    }
}

/// Exit codes: 0 done, 1 failed, 2 usage, 3 refused input, 130 interrupted.
enum ExitStatus {
    static func of(_ error: any Error) -> Int32? {
        switch error {
        case is ExperimentError, is DatasetError, is EndpointError, is SafetensorsError, is SnapshotError, is RefusedInput: 3
        case ClusterError.interrupted: 130
        case ClusterError.refused: 3
        case is ClusterError, is TrainingError, is TransportError, is RunDirectoryError: 1
        case is ExitCode, is CleanExit, is ValidationError: nil
        default: "\(type(of: error))" == "CommandError" ? nil : 1
        }
    }
}

/// Input that cannot be used, in one sentence.
struct RefusedInput: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
