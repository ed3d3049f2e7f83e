/// What a quantity of the record is called in a view.
struct QuantityName: Hashable {
    /// D1…, `caps`; empty for the run's own curves.
    var diagnostic: String
    /// As in the record.
    var quantity: String

    /// Short names of what is looked at most; every other quantity goes by its name in the record.
    private static let short = [
        "spectral_norm": "σ max", "sigma_min": "σ min", "condition_number": "condition number",
        "frobenius_norm": "Frobenius norm",
        "spectral_norm_lower": "σ max, lower bound", "spectral_norm_upper": "σ max, upper bound",
    ]
    private static let units = [("_decades_per_layer", "decades/layer"), ("_examples", "examples"), ("_nats", "nats")]

    /// The quantity's unit, where its name says one.
    var unit: String { Self.units.first { quantity.hasSuffix($0.0) }?.1 ?? "" }

    /// `D12 delta slope`.
    var label: String {
        var text = quantity
        if let (suffix, _) = Self.units.first(where: { quantity.hasSuffix($0.0) }) { text = String(text.dropLast(suffix.count)) }
        let name = Self.short[text] ?? text.replacing("_r_squared", with: " R²").replacing("_", with: " ")
        return diagnostic.isEmpty ? name : "\(diagnostic) \(name)"
    }

    /// Diagnostics by number, then those without.
    static func areInOrder(_ a: String, _ b: String) -> Bool {
        let (first, second) = (number(a), number(b))
        return first == second ? a < b : first < second
    }

    private static func number(_ diagnostic: String) -> Int {
        diagnostic.hasPrefix("D") ? Int(diagnostic.dropFirst()) ?? .max : .max
    }
}
