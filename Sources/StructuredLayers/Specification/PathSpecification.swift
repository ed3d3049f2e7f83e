/// Which family of maps the path of a layer belongs to, and its options: `{ family: householder, reflectors: 16 }`.
///
/// The name is looked up in `LayerFamilies` when the network is built, so a family registered by a user's package is written
/// in an experiment file like a built-in one. Options that the family does not know are refused there.
public struct PathSpecification: Hashable, Sendable {
    /// The name of the family.
    public var family: String
    /// The options as written; those left out take the family's defaults.
    public var options: [String: OptionValue]

    /// A path of the named family.
    public init(family: String, options: [String: OptionValue] = [:]) {
        self.family = family
        self.options = options
    }

    /// The identity map.
    public static let identity = PathSpecification(family: "identity")

    /// A dense matrix.
    public static let dense = PathSpecification(family: "dense")

    /// A product of Householder reflections in compact WY form.
    public static func householder(reflectors: Int) -> PathSpecification {
        PathSpecification(family: "householder", options: ["reflectors": .integer(reflectors)])
    }
}

extension PathSpecification: Codable {
    /// Reads a mapping with `family` and the options beside it.
    public init(from decoder: any Decoder) throws {
        (family, options) = try NamedOptions.decode(from: decoder, nameKey: "family")
    }

    /// Writes a mapping with `family` and the options beside it.
    public func encode(to encoder: any Encoder) throws {
        try NamedOptions.encode(name: family, nameKey: "family", options: options, to: encoder)
    }
}
