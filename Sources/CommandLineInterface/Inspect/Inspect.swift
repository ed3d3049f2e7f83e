import ArgumentParser
import Foundation
import RunStore

/// `plumb inspect`: the arguments decide what is examined, and each mode has a file of its own.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Examines the weights of safetensors files, of any origin: spectra, ranks, power laws, bulks of noise.",
        discussion: """
            With one file, every matrix: its singular values (D1), bounds on the largest (D2), condition (D3), ranks (D4), the power law of \
            its tail beside that of the same elements in a random order (D5), what stands out of noise (D6), and how far it is from an \
            isometry (D7). A convolution's kernel counts as its matrices, one for each place. With two files, what changed (D8). With a \
            run's directory, the run's course and its diagnostics over depth and time. Elements of float64 are rounded to float32; a tensor \
            beyond float32's range is n/a.
            """)

    @Argument(help: "A safetensors file, and a second one to compare with; or a run's directory.")
    var paths: [String]

    @Flag(
        name: .customLong("data"),
        help: """
            Measure a checkpoint's network on its experiment's data instead: weights, depth, Jacobians, curvature, representations. Takes \
            no value; --set data.… names other data.
            """)
    var onData = false

    @Option(
        name: .customLong("select"),
        help: "With --data: diagnostics by name, id or pattern, as in diagnostics.select; all but D8 if left out. May be repeated.")
    var selectedDiagnostics: [String] = []

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: "With --data: overrides a setting, such as data.images=FILE. May be repeated.")
    var overrides: [String] = []

    @Flag(help: "Print one object of JSON.")
    var json = false

    @Flag(help: "Print comma-separated values; of a run, every measurement in its record.")
    var csv = false

    @Flag(help: "Print weightwatcher's columns, by its conventions.")
    var weightwatcher = false

    @Option(
        name: .customLong("layers"),
        help:
            "Only tensors whose names match, as 'layers.*.weight'; with --data layers, as 'layers.1*' or readout. May be repeated.")
    var included: [String] = []

    @Option(name: .customLong("exclude"), help: "No tensors (with --data: layers) whose names match. May be repeated.")
    var excluded: [String] = []

    @Option(help: "Threads; each holds what one tensor needs in memory. All cores if left out.")
    var threads: Int?

    @Flag(name: .customLong("no-control"), help: "Leave out the fit on shuffled elements, which takes about a third of the time.")
    var withoutControl = false

    @Option(
        name: .customLong("complete-up-to"),
        help: """
            Larger matrices, by their smaller side, get their 32 largest singular values alone, and nothing that needs all. 4096 if left \
            out.
            """)
    var completeUpTo: Int?

    func run() throws {
        let mode = InspectMode(self)
        if mode == .run { return try showRun() }
        let files = try paths.map { try SafetensorsFile(try checkpoint($0)) }
        switch mode {
        case .network: try measureNetwork(of: files[0])
        case .comparison: try compare(files[0], files[1])
        case .weightwatcher: try printWeightwatcherColumns(of: files[0])
        case .weights, .run: try examine(files[0])
        }
    }

    var selection: NameSelection { NameSelection(included: included, excluded: excluded) }
    var threadCount: Int { threads ?? max(1, ProcessInfo.processInfo.activeProcessorCount) }
    /// min(m, n) up to which all singular values are found.
    var sizeLimit: Int { completeUpTo ?? 4096 }

    private func showRun() throws {
        if csv { return try RunTable.lines(directory: paths[0]).forEach { print($0) } }
        try RunView.print(directory: paths[0], json: json)
    }

    /// The file to read, with a word on standard error where the path is a directory's: people who meant its run see weights.
    private func checkpoint(_ path: String) throws -> String {
        let file = try CheckpointPath.resolved(path)
        if file != path {
            let lacksRecord =
                !RunView.isRun(path) && FileManager.default.fileExists(atPath: RunDirectory(path: path).checkpointsPath)
            Self.note("\(path): \(lacksRecord ? "there is no run.sqlite, so " : "")this is the checkpoint \(file)")
        }
        return file
    }

    static func note(_ sentence: String) {
        try? FileHandle.standardError.write(contentsOf: Array("\(sentence.escapedForTerminal)\n".utf8))
    }
}
