import LinearAlgebra

/// What multiplies a correction.
public enum CorrectionScale: String, Codable, CaseIterable, Sendable {
    /// Nothing.
    case none
    /// A trained scalar that starts at zero, so that a layer starts as its path alone (Bachlechner et al., 2021).
    case rezero
}

/// The trainable nonlinear branch of a layer: `{ kind: bottleneck, rank: 16, scale: none, cap: 2/sqrt(L) }`.
///
/// `scale` and `cap` are understood for every kind; the other options are the kind's own.
public struct CorrectionSpecification: Hashable, Sendable {
    /// The name of the kind, looked up in `LayerFamilies`; `none` for no correction.
    public var kind: String
    /// The options as written, `scale` and `cap` among them.
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
                "rank": .integer(rank), "activation": .text(activation.rawValue), "scale": .text(scale.rawValue), "cap": cap,
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
