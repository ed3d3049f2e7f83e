import ParameterServer

/// What is measured inside the network while it learns, and how often.
public struct DiagnosticsSpecification: Hashable, Sendable {
    /// A diagnostic that can be chosen by name.
    public enum Name: String, CaseIterable, Hashable, Sendable {
        /// D1, D3, D4, D7: singular values, condition number, ranks and orthogonality of each layer's map.
        case spectrum
        /// D12: slopes of log-norms over depth.
        case depthSlope = "depth-slope"
        /// D19: gradient noise scale.
        case noiseScale = "noise-scale"
        /// D20: agreement of the microbatches' gradients.
        case agreement
        /// How much of its caps each correction uses.
        case caps
    }

    /// Steps between measurements; 0 switches them off.
    public var every: Step
    /// In the order of `Name`.
    public var select: [Name]

    /// Whether diagnostics are taken at `version`.
    public func isDue(at version: Step) -> Bool { every > 0 && !select.isEmpty && version.isMultiple(of: every) }
}

extension DiagnosticsSpecification {
    init(_ section: SettingsSection) throws(ExperimentError) {
        every = Step(try section.integer("every", default: 50, in: 0...1_000_000_000))
        let allowed = Name.allCases.map(\.rawValue)
        if let words = try section.words("select") {
            for word in words where Name(rawValue: word) == nil && word != "all" {
                throw section.refusal(
                    "select", word,
                    "it must be a list of: \(allowed.joined(separator: ", "))\(SettingsSection.suggestion(for: word, among: allowed))"
                )
            }
            select = words.contains("all") ? Name.allCases : Name.allCases.filter { words.contains($0.rawValue) }
        } else {
            select = Name.allCases
        }
        try section.finish()
    }

    var resolved: [(String, SettingsValue)] { [("every", .plain("\(every)")), ("select", .list(select.map(\.rawValue)))] }
}
