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
        families.add("spectral-norm", path: SpectralNormPath.self)
        families.add("householder", path: HouseholderPath.self)
        families.add("kronecker", path: KroneckerPath.self)
        families.add("block-diagonal", path: BlockDiagonalPath.self)
        families.add("monarch", path: MonarchPath.self)
        families.add("block-tensor-train", path: BlockTensorTrainPath.self)
        families.add("diagonal-low-rank", path: DiagonalLowRankPath.self)
        families.add("bounded-svd", path: BoundedSVDPath.self)
        families.add("cayley", path: CayleyPath.self)
        families.add("skew-euler", path: SkewEulerPath.self)
        families.add("gradient-flow", path: GradientFlowPath.self)
        families.add("bottleneck", correction: BottleneckCorrection.self)
        families.add("dense", correction: DenseCorrection.self)
        families.add("gated-low-rank", correction: GatedLowRankCorrection.self)
        families.add("low-rank", correction: LowRankCorrection.self)
        return families
    }()

    private init() {}

    /// Adds a family under a name, or replaces the one that had it.
    public mutating func add(_ name: String, path: any PathFamily.Type) { paths[name] = path }

    /// Adds a correction under a name, or replaces the one that had it.
    public mutating func add(_ name: String, correction: any CorrectionKind.Type) { corrections[name] = correction }

    /// The names of the paths, in alphabetical order.
    public var pathNames: [String] { paths.keys.sorted() }

    /// The names of the corrections, `none` not among them, in alphabetical order.
    public var correctionNames: [String] { corrections.keys.sorted() }

    /// The names of the paths that take more or fewer outputs than inputs, in alphabetical order.
    public var rectangularPathNames: [String] { pathNames.filter { paths[$0]?.takesRectangular ?? false } }

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
            try refuseWithoutCorrection(specification)
            try options.refuseUnknown(of: "the correction none")
            return (nil, options)
        }
        guard let type = corrections[specification.kind] else {
            let names = (correctionNames + ["none"]).sorted().joined(separator: ", ")
            throw SpecificationError(keyPath: "model.correction.kind", value: specification.kind, expectation: "one of " + names)
        }
        let (scale, gain) = try Self.scale(&options, context: context)
        let budget = try Self.budget("cap", &options, context: context)
        let outputBudget = try Self.budget("outputClip", &options, context: context)
        let kind = try type.init(options: &options, context: context)
        try options.refuseUnknown(of: "the correction \(specification.kind)")
        let placed = LayerCorrection(
            kind: kind, scale: scale, gain: gain, budget: budget, outputBudget: outputBudget, outputs: context.outputs)
        return (placed, options)
    }

    /// A cap or a scale that nothing stands behind.
    private func refuseWithoutCorrection(_ specification: CorrectionSpecification) throws(SpecificationError) {
        for key in ["cap", "mix", "outputClip", "scale"] {
            guard let value = specification.options[key] else { continue }
            let kinds = correctionNames.joined(separator: ", ")
            throw SpecificationError(
                keyPath: "model.correction.\(key)", value: value.description,
                expectation: "no \(key), as the layer has no correction; model.correction.kind could be one of " + kinds)
        }
    }

    /// The scale, and the gain of both branches that makes their sum a convex combination where that is asked for.
    private static func scale(_ options: inout OptionReader, context: LayerContext) throws(SpecificationError) -> (
        LayerCorrection.Scale, gain: Float
    ) {
        let written = try options.value("scale", default: "none", expectation: CorrectionScale.expectation)
        guard let scale = CorrectionScale(written) else {
            throw options.refusal(of: "scale", written, expectation: CorrectionScale.expectation)
        }
        let mix = try options.choice("mix", default: BranchMix.sum)
        if case .fixed(let factor) = scale, mix == .convex {
            let share = factor.value(depth: context.depth)
            if share < 1 { return (.fixed(Float(share / (1 - share))), gain: Float(1 - share)) }
        }
        guard mix == .sum else {
            throw options.refusal(
                of: "mix", "convex", expectation: "sum, as a convex combination needs a fixed model.correction.scale below 1")
        }
        switch scale {
        case .none: return (.fixed(1), gain: 1)
        case .fixed(let factor): return (.fixed(Float(factor.value(depth: context.depth))), gain: 1)
        case .rezero: return (.rezero, gain: 1)
        case .layerscale:
            let start = Float(try options.number("scaleStart", default: 0.01, expectation: "a number above 0") { $0 > 0 })
            // A dense W of norm about 2 moves by about nη a step of Adam; at this rate s moves by as large a part of itself.
            let multiplier = context.learningRateScaling ? Float(context.inputs) * start / 2 : 1
            return (.layerscale(start: start, learningRateMultiplier: multiplier), gain: 1)
        }
    }

    private static func budget(_ key: String, _ options: inout OptionReader, context: LayerContext) throws(SpecificationError)
        -> Double?
    {
        let written = try options.value(key, default: "none", expectation: "none, " + DepthScaled.expectation)
        if written == "none" { return nil }
        guard let cap = DepthScaled(written) else {
            throw options.refusal(of: key, written, expectation: "none, " + DepthScaled.expectation)
        }
        return cap.value(depth: context.depth)
    }
}
