import StructuredLayers

extension LayerFamilies {
    /// The built-in families, and `givens`.
    public static let withGivens: LayerFamilies = {
        var families = LayerFamilies.builtin
        families.add("givens", path: GivensPath.self)
        return families
    }()
}
