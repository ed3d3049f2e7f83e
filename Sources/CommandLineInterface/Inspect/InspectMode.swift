import ArgumentParser

/// What `plumb inspect` does; the arguments say which.
enum InspectMode: String {
    /// D1–D7 of one file.
    case weights = "one file"
    /// D8 between two files.
    case comparison = "two files"
    case weightwatcher = "--weightwatcher"
    /// A checkpoint's network on its data.
    case network = "--data"
    /// A run's record.
    case run = "a run's directory"

    init(_ command: Inspect) {
        self =
            command.onData
            ? .network
            : command.weightwatcher
                ? .weightwatcher
                : command.paths.count == 2 ? .comparison : RunView.isRun(command.paths[0]) ? .run : .weights
    }

    /// Whether an option says something here.
    func reads(_ option: String) -> Bool {
        switch option {
        case "--select", "--set": self == .network
        case "--layers", "--exclude": self != .run
        case "--threads": [.weights, .comparison, .weightwatcher].contains(self)
        case "--no-control": [.weights, .weightwatcher].contains(self)
        case "--complete-up-to": [.weights, .comparison].contains(self)
        default: true
        }
    }
}

extension Inspect {
    func validate() throws {
        if onData && paths.count == 2 {
            throw ValidationError(
                "--data takes no value and looks at one checkpoint, so \(paths[1]) is one path too many; its experiment names the data, "
                    + "and --set data.… another.")
        }
        if !(1...2).contains(paths.count) { throw ValidationError("Give one file to examine, or two to compare.") }
        if json && csv { throw ValidationError("--json and --csv exclude each other.") }
        if let threads, threads < 1 { throw ValidationError("--threads is \(threads); at least 1 is needed.") }
        if let completeUpTo, completeUpTo < 1 {
            throw ValidationError("--complete-up-to is \(completeUpTo); at least 1 is needed.")
        }
        if onData && weightwatcher { throw ValidationError("--data and --weightwatcher exclude each other.") }
        if weightwatcher && paths.count == 2 { throw ValidationError("--weightwatcher examines one file.") }
        try refuseIdle(InspectMode(self))
    }

    /// Refuses an option that what is asked for would pass over.
    private func refuseIdle(_ mode: InspectMode) throws {
        let given = [
            ("--select", !selectedDiagnostics.isEmpty), ("--set", !overrides.isEmpty), ("--layers", !included.isEmpty),
            ("--exclude", !excluded.isEmpty), ("--threads", threads != nil), ("--no-control", withoutControl),
            ("--complete-up-to", completeUpTo != nil),
        ]
        guard let (idle, _) = given.first(where: { $0.1 && !mode.reads($0.0) }) else { return }
        let hint =
            switch mode {
            case .run: "; name a file in its checkpoints/ for the weights"
            case .network: "; leave one of them away"
            default: idle == "--select" || idle == "--set" ? ", only with --data" : ""
            }
        throw ValidationError("\(idle) has no meaning with \(mode.rawValue)\(hint).")
    }
}
