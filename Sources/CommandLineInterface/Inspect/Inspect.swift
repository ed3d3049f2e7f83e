import ArgumentParser
import Foundation
import LinearAlgebra
import RunStore

/// `plumb inspect`: the arguments decide what is examined, and each mode has a file of its own.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Examines the weights of safetensors files, of any origin: spectra, ranks, power laws, bulks of noise.",
        discussion: """
            With one file, every matrix: its singular values (D1), bounds on the largest (D2), condition (D3), ranks (D4), the power law of \
            its tail beside that of the same elements in a random order (D5), what stands out of noise (D6), and how far it is from an \
            isometry (D7). A convolution's kernel counts as its matrices, one for each place. With two files, what changed (D8). With a \
            run's directory, the run's course and its diagnostics over depth and time. Elements of float64 are rounded to float32.
            """)

    @Argument(help: "A safetensors file, and a second one to compare with; or a run's directory.")
    var paths: [String]

    @Flag(
        name: .customLong("data"),
        help: "Measure a checkpoint's network on its experiment's data instead: depth, Jacobians, curvature, representations.")
    var onData = false

    @Option(
        name: .customLong("select"),
        help: "With --data: diagnostics by name, id or pattern, as in diagnostics.select; all if left out. May be repeated.")
    var selectedDiagnostics: [String] = []

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: "With --data: overrides a setting, such as data.images=FILE. May be repeated.")
    var overrides: [String] = []

    @Flag(help: "Print one object of JSON.")
    var json = false

    @Flag(help: "Print comma-separated values.")
    var csv = false

    @Flag(help: "Print weightwatcher's columns, by its conventions.")
    var weightwatcher = false

    @Option(name: .customLong("layers"), help: "Only tensors whose names match, as 'layers.*.weight'. May be repeated.")
    var included: [String] = []

    @Option(name: .customLong("exclude"), help: "No tensors whose names match. May be repeated.")
    var excluded: [String] = []

    @Option(help: "Threads; at most as many matrices are in memory at a time. All cores if left out.")
    var threads: Int?

    @Flag(name: .customLong("no-control"), help: "Leave out the fit on shuffled elements, which takes half of the time.")
    var withoutControl = false

    @Option(
        name: .customLong("complete-up-to"),
        help: "Larger matrices, by their smaller side, get their 32 largest singular values alone, and nothing that needs all.")
    var completeUpTo: Int = 4096

    func validate() throws {
        if !(1...2).contains(paths.count) { throw ValidationError("Give one file to examine, or two to compare.") }
        if json && csv { throw ValidationError("--json and --csv exclude each other.") }
        if let threads, threads < 1 { throw ValidationError("--threads is \(threads); at least 1 is needed.") }
        if completeUpTo < 1 { throw ValidationError("--complete-up-to is \(completeUpTo); at least 1 is needed.") }
        if onData && (paths.count == 2 || weightwatcher) {
            throw ValidationError("--data looks at one checkpoint, without --weightwatcher.")
        }
        if !onData && !(selectedDiagnostics.isEmpty && overrides.isEmpty) {
            throw ValidationError("--select and --set go with --data.")
        }
        if weightwatcher && paths.count == 2 { throw ValidationError("--weightwatcher examines one file.") }
    }

    func run() throws {
        BLAS.useOneThread()
        if paths.count == 1 && !onData && !weightwatcher && !csv && RunView.isRun(paths[0]) {
            return try RunView.print(directory: paths[0], json: json)
        }
        let files = try paths.map { try SafetensorsFile(try Self.checkpoint($0)) }
        if onData { return try measureNetwork(of: files[0]) }
        if files.count == 2 { return try compare(files[0], files[1]) }
        if weightwatcher { return try printWeightwatcherColumns(of: files[0]) }
        try examine(files[0])
    }

    var selection: NameSelection { NameSelection(included: included, excluded: excluded) }
    var threadCount: Int { threads ?? max(1, ProcessInfo.processInfo.activeProcessorCount) }

    /// A run's directory stands for its newest complete checkpoint.
    static func checkpoint(_ path: String) throws -> String {
        var isDirectory = false as ObjCBool
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            return path
        }
        let directory = "\(path)/checkpoints"
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).filter { $0.hasPrefix("step-") }
        guard let newest = names.max() else { throw RefusedInput("\(path): there are no checkpoints in this directory") }
        return "\(directory)/\(newest)"
    }
}
