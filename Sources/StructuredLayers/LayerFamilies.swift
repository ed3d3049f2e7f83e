/// The families that experiment files may name: the built-in ones, and those that a package adds.
///
/// ```swift
/// var families = LayerFamilies.builtin
/// families.add("givens", path: GivensPath.self)  // model.path: { family: givens, rounds: 6 }
/// ```
///
/// Every process of a run must be given the same families: `PlumbProgram.main(families:)` sees to it for workers that it starts.
public struct LayerFamilies: Sendable {
    private var paths: [String: any PathFamily.Type] = [:]
    private var corrections: [String: any CorrectionKind.Type] = [:]

    /// The built-in families.
    public static let builtin: LayerFamilies = {
        var families = LayerFamilies()
        families.add("identity", path: IdentityPath.self)
        families.add("dense", path: DensePath.self)
        families.add("householder", path: HouseholderPath.self)
        families.add("bottleneck", correction: BottleneckCorrection.self)
        return families
    }()

    private init() {}

    /// Adds a family under a name, or replaces the one that had it.
    public mutating func add(_ name: String, path: any PathFamily.Type) { paths[name] = path }

    /// Adds a correction under a name, or replaces the one that had it.
    public mutating func add(_ name: String, correction: any CorrectionKind.Type) { corrections[name] = correction }

    /// The names of the paths, in alphabetical order.
    public var pathNames: [String] { paths.keys.sorted() }

    func path(_ specification: PathSpecification, context: LayerContext) throws(SpecificationError) -> (
        any PathFamily, OptionReader
    ) {
        guard let family = paths[specification.family] else {
            throw SpecificationError(
                keyPath: "model.path.family", value: specification.family,
                expectation: "one of " + pathNames.joined(separator: ", "))
        }
        var options = OptionReader(specification.options, keyPath: "model.path")
        let path = try family.init(options: &options, context: context)
        try options.refuseUnknown(of: "the family \(specification.family)")
        return (path, options)
    }

    func correction(_ specification: CorrectionSpecification, context: LayerContext) throws(SpecificationError)
        -> (LayerCorrection?, OptionReader)
    {
        var options = OptionReader(specification.options, keyPath: "model.correction")
        if specification.kind == "none" {
            try options.refuseUnknown(of: "the correction none")
            return (nil, options)
        }
        guard let type = corrections[specification.kind] else {
            let names = (Array(corrections.keys) + ["none"]).sorted().joined(separator: ", ")
            throw SpecificationError(keyPath: "model.correction.kind", value: specification.kind, expectation: "one of " + names)
        }
        let scale = try options.choice("scale", default: CorrectionScale.none)
        let written = try options.value("cap", default: "none", expectation: SpectralCap.expectation)
        let kind = try type.init(options: &options, context: context)
        try options.refuseUnknown(of: "the correction \(specification.kind)")
        var budget: Double?
        if written != "none" {
            guard let cap = SpectralCap(written) else {
                throw options.refusal(of: "cap", written, expectation: SpectralCap.expectation)
            }
            budget = cap.budget(depth: context.depth)
        }
        return (LayerCorrection(kind: kind, scale: scale, budget: budget), options)
    }
}
