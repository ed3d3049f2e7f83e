extension DiagnosticsSpecification {
    /// What the layers are called in `diagnostics.layers`: `embedding` (0), `layers.0` … (1…L), `readout` (L + 1).
    public static func layerName(_ layer: Int, depth: Int) -> String {
        switch layer {
        case 0: "embedding"
        case depth + 1: "readout"
        default: "layers.\(layer - 1)"
        }
    }

    /// Whether quantities of `layer` (0 the embedding, 1…L, L + 1 the readout) are measured. O(patterns).
    public func includes(layer: Int, depth: Int) -> Bool {
        let name = Self.layerName(layer, depth: depth)
        return layers.contains { Glob($0).matches(name) }
    }

    /// `layers: [layers.*, readout]`.
    static func layers(_ section: SettingsSection, depth: Int) throws(ExperimentError) -> [String] {
        let patterns = try section.words("layers") ?? ["*"]
        if patterns.isEmpty { throw section.refusal("layers", "[]", "it must name a layer; diagnostics.every: 0 measures nothing") }
        guard patterns.count <= 100, patterns.allSatisfy({ $0.utf8.count <= 100 }) else {
            throw section.refusal("layers", "a long list", "it must be at most 100 patterns of at most 100 bytes")
        }
        let names = (0...depth + 1).map { layerName($0, depth: depth) }
        for pattern in patterns where !names.contains(where: Glob(pattern).matches) {
            throw section.refusal(
                "layers", pattern,
                "it must name layers of this network: embedding, layers.0 to layers.\(depth - 1), readout, or a pattern such as layers.1*"
            )
        }
        return patterns
    }
}
