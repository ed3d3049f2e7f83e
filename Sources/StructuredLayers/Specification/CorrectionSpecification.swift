import LinearAlgebra

/// What multiplies a correction.
public enum CorrectionScale: Hashable, Sendable {
    /// Nothing.
    case none
    /// A fixed number: `1/sqrt(L)`.
    case fixed(DepthScaled)
    /// A trained scalar that starts at zero, so that a layer starts as its path alone (Bachlechner et al., 2021).
    case rezero
    /// A trained number for each unit; all start at the option `scaleStart` (Touvron et al., 2021).
    case layerscale

    static let expectation = "none, rezero, layerscale, \(DepthScaled.expectation)"

    /// Reads a scale as it stands in an experiment file; nil when it is not one.
    public init?(_ value: OptionValue) {
        switch value {
        case "none": self = .none
        case "rezero": self = .rezero
        case "layerscale": self = .layerscale
        default:
            guard let factor = DepthScaled(value) else { return nil }
            self = .fixed(factor)
        }
    }

    /// As it stands in an experiment file.
    public var optionValue: OptionValue {
        switch self {
        case .none: "none"
        case .fixed(let factor): .text(factor.description)
        case .rezero: "rezero"
        case .layerscale: "layerscale"
        }
    }
}

/// How a layer's two branches come together.
public enum BranchMix: String, CaseIterable, Sendable {
    /// path + scale·correction.
    case sum
    /// (1 − scale)·path + scale·correction, with a fixed scale below 1.
    case convex
}

/// The trainable nonlinear branch of a layer: `{ kind: bottleneck, rank: 16, scale: none, cap: 2/sqrt(L) }`.
///
/// `scale`, `mix`, `cap` and `outputClip` are understood for every kind; the other options are the kind's own.
public struct CorrectionSpecification: Hashable, Sendable {
    /// The name of the kind, looked up in `LayerFamilies`; `none` for no correction.
    public var kind: String
    /// The options as written, `scale`, `cap` and `outputClip` among them.
    public var options: [String: OptionValue]

    /// A correction of the named kind.
    public init(kind: String, options: [String: OptionValue] = [:]) {
        self.kind = kind
        self.options = options
    }

    /// No correction: the layer is its path.
    public static let none = CorrectionSpecification(kind: "none")

    /// `U φ(Vᵀx + b)` through `rank` units, times `scale`, under the spectral cap `cap`.
    public static func bottleneck(
        rank: Int, activation: Activation = .tanh, scale: CorrectionScale = .none, cap: OptionValue = "none"
    ) -> CorrectionSpecification {
        CorrectionSpecification(
            kind: "bottleneck",
            options: [
                "rank": .integer(rank), "activation": .text(activation.rawValue), "scale": scale.optionValue, "cap": cap,
            ])
    }
}

extension CorrectionSpecification: Codable {
    /// Reads a mapping with `kind` and the options beside it.
    public init(from decoder: any Decoder) throws {
        (kind, options) = try NamedOptions.decode(from: decoder, nameKey: "kind")
    }

    /// Writes a mapping with `kind` and the options beside it.
    public func encode(to encoder: any Encoder) throws {
        try NamedOptions.encode(name: kind, nameKey: "kind", options: options, to: encoder)
    }
}
