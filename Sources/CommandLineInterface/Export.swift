import ArgumentParser
import RunStore

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a run's record in another program's format.", subcommands: [ExportTensorBoard.self])
}

struct ExportTensorBoard: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tensorboard",
        abstract: "Writes event files for TensorBoard: scalars of every quantity, histograms of singular values.",
        discussion:
            "A run writes them itself while record.tensorboard is true. Event files that plumb wrote there before are replaced.")

    @Argument(help: ArgumentHelp("The run's directory.", valueName: "run"))
    var path: String

    @Option(help: "Where the event files go; by default tensorboard/ in the run's directory.")
    var to: String?

    func run() throws {
        let directory = try RunDirectory.recorded(path)
        if to == nil && CoordinatorLease.isHeld(of: directory) {
            throw RefusedInput("\(path): the run goes on and may be writing these files itself; pass --to DIR")
        }
        let target = to ?? directory.tensorboardPath
        let log: TensorBoardLog
        do {
            log = try TensorBoardLog(of: directory.recordPath, in: target)
            try log.update()
        } catch let error as SystemError {
            throw RefusedInput("\(target): the event files cannot be written (\(error)); pass --to DIR that this user may write")
        }
        print("wrote \(log.path); look at it with: tensorboard --logdir \(log.path)")
    }
}
