import ExperimentFile

/// Names that match one of the globs, or all if there are none, and none of the excluded ones.
struct NameSelection: Sendable {
    private let included: [Glob]
    private let excluded: [Glob]

    init(included: [String], excluded: [String]) {
        (self.included, self.excluded) = (included.map(Glob.init), excluded.map(Glob.init))
    }

    func contains(_ name: String) -> Bool {
        (included.isEmpty || included.contains { $0.matches(name) }) && !excluded.contains { $0.matches(name) }
    }
}
