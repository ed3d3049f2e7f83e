import ArgumentParser
import Cluster
import Datasets
import ExperimentFile
import RunStore
import Training
import Transport

/// The command line.
struct Plumb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: Invocation.program,
        abstract:
            "Trains deep networks of structured layers with a parameter server, and shows what happens inside while they learn.",
        version: Invocation.version,
        subcommands: [
            Train.self, Coordinator.self, Worker.self, Evaluate.self, Inspect.self, Export.self, Bench.self, DataCommand.self,
            Doctor.self,
            Init.self, Status.self, Stop.self, Simulate.self,
        ])
}

/// Exit codes: 0 done, 1 failed, 2 usage, 3 refused input, 130 interrupted.
enum ExitStatus {
    static func of(_ error: any Error) -> Int32? {
        switch error {
        case is ExperimentError, is DatasetError, is EndpointError, is SafetensorsError, is SnapshotError,
            is RunRecordError, is RefusedInput:
            3
        case ClusterError.interrupted: 130
        case ClusterError.refused: 3
        case is ClusterError, is TrainingError, is TransportError, is BareLinkError, is RunDirectoryError: 1
        case is ExitCode, is CleanExit: nil
        default: Plumb.exitCode(for: error) == .validationFailure ? 2 : "\(type(of: error))" == "CommandError" ? nil : 1
        }
    }
}

/// Input that cannot be used, in one sentence.
struct RefusedInput: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
