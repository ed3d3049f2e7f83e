import ParameterServer

/// What is measured inside the network while it learns, how often, and at what cost. Never part of the trained weights.
public struct DiagnosticsSpecification: Hashable, Sendable {
    /// Steps between measurements of tiers T0 and T1; 0 switches them off.
    public var every: Step
    /// In the order of `Name`.
    public var select: [Name]
    /// Patterns over the layers' names: see `includes(layer:depth:)`.
    public var layers: [String]
    /// The part of the wall time that diagnostics may take, in percent, kept by stretching the intervals; nil for no bound.
    public var budget: Double?
    /// Steps between probe rounds (tier T2); 0 for none.
    public var probeEvery: Step
    /// Training examples that a probe round evaluates, a multiple of `training.partitions`.
    public var probeExamples: Int
    /// The smaller side of the largest matrices of which all singular values are found; of larger ones the 32 largest.
    public var completeUpTo: Int
    /// Runs of Lanczos from random signs in an examination of the curvature.
    public var lanczosRuns: Int
    /// Products with the Hessian that a run takes at most.
    public var lanczosSteps: Int

    /// The diagnostics that need probe rounds, in the order of `Name`.
    public var probes: [Name] { select.filter { $0.tier == .onProbes } }

    /// Steps between measurements of a diagnostic, as asked for.
    public func interval(of name: Name) -> Step { name.tier == .onProbes ? probeEvery : every }

    /// Whether diagnostics of tiers T0 and T1 are taken at `version`.
    public func isDue(at version: Step) -> Bool {
        every > 0 && select.contains { $0.tier != .onProbes } && version.isMultiple(of: every)
    }
}

extension DiagnosticsSpecification {
    private static let intervals = 0...1_000_000_000

    init(_ section: SettingsSection, depth: Int, partitions: Int) throws(ExperimentError) {
        every = Step(try section.integer("every", default: 50, in: Self.intervals))
        select = try Self.select(section)
        layers = try Self.layers(section, depth: depth)
        budget = try Self.budget(section)
        let probes = select.contains { $0.tier == .onProbes } ? Int(every) : 0
        probeEvery = Step(try section.integer("probeEvery", default: probes, in: Self.intervals))
        probeExamples = try Self.probeExamples(section, partitions: partitions)
        completeUpTo = try section.integer("completeUpTo", default: 1024, in: 1...65_536)
        lanczosRuns = try section.integer("lanczosRuns", default: 4, in: 1...1024)
        lanczosSteps = try section.integer("lanczosSteps", default: 24, in: 1...1024)
        try section.finish()
    }

    private static func select(_ section: SettingsSection) throws(ExperimentError) -> [Name] {
        guard let words = try section.words("select") else { return Name.cheap }
        var chosen: Set<Name> = []
        for word in words {
            let names = Name.chosen(by: word)
            if names.isEmpty {
                let (allowed, ids) = (Name.allCases.map(\.rawValue), Name.allCases.flatMap(\.ids))
                throw section.refusal(
                    "select", word,
                    "it must be a list of: \(allowed.joined(separator: ", ")); ids such as D12; patterns such as D1*; or all"
                        + SettingsSection.suggestion(for: word, among: allowed + ids))
            }
            chosen.formUnion(names)
        }
        return Name.allCases.filter(chosen.contains)
    }

    /// `5`, `5%`, `2.5 %` or `none`.
    private static func budget(_ section: SettingsSection) throws(ExperimentError) -> Double? {
        let text = try section.text("budget", default: "5%")
        if text == "none" { return nil }
        var digits = text[...]
        if digits.last == "%" { digits = digits.dropLast() }
        while digits.last == " " { digits = digits.dropLast() }
        guard let percent = Double(digits), percent.isFinite, (0...50).contains(percent) else {
            throw section.refusal("budget", text, "it must be a percentage of the wall time from 0 to 50, as 5 or 5%, or none")
        }
        return percent
    }

    private static func probeExamples(_ section: SettingsSection, partitions: Int) throws(ExperimentError) -> Int {
        let lowest = (64 + partitions - 1) / partitions * partitions
        let count = try section.integer("probeExamples", default: lowest, in: 1...1_048_576)
        guard count.isMultiple(of: partitions) else {
            throw section.refusal(
                "probeExamples", "\(count)",
                "it must be divisible by training.partitions (\(partitions)); \((count / partitions + 1) * partitions) would do")
        }
        return count
    }

    var resolved: [(String, SettingsValue)] {
        [
            ("every", .plain("\(every)")), ("select", .list(select.map(\.rawValue))), ("layers", .list(layers)),
            ("budget", .plain(budget.map { "\($0)%" } ?? "none")), ("probeEvery", .plain("\(probeEvery)")),
            ("probeExamples", .plain("\(probeExamples)")), ("completeUpTo", .plain("\(completeUpTo)")),
            ("lanczosRuns", .plain("\(lanczosRuns)")), ("lanczosSteps", .plain("\(lanczosSteps)")),
        ]
    }
}
