import LinearAlgebra
import StructuredLayers
import Yams

extension NetworkSpecification {
    /// Reads the section `model`. Inputs and outputs come with the data, and are 1 and 2 until then.
    init(_ section: SettingsSection) throws(ExperimentError) {
        let path = try Self.named(
            try section.section("path"), nameKey: "family", default: "householder", defaults: ["reflectors": 16])
        let correction = try Self.named(
            try section.section("correction"), nameKey: "kind", default: "bottleneck",
            defaults: ["rank": 16, "activation": "tanh", "scale": "none", "cap": "2/sqrt(L)"])
        let embedding = try section.section("embedding")
        self.init(
            inputs: 1, outputs: 2, width: 1, depth: try section.integer("depth", default: 8, in: 1...1 << 16),
            path: PathSpecification(family: path.name, options: path.options),
            correction: CorrectionSpecification(kind: correction.name, options: correction.options),
            activation: try section.choice("activation", default: .none), bias: try section.flag("bias", default: true),
            loss: try section.choice("loss", default: .crossEntropy),
            embedding: EmbeddingSpecification(
                kind: try embedding.choice("kind", default: .dense), activation: try embedding.choice("activation", default: .none),
                scale: try embedding.number("scale", default: 1, in: 1e-6...1e6)),
            learningRateScaling: try section.flag("learningRateScaling", default: true))
        widths = try Self.widths(section)
        try embedding.finish()
        try section.finish()
    }

    /// One number for all layers, or a list; that it fits the depth is checked when the network is built.
    private static func widths(_ section: SettingsSection) throws(ExperimentError) -> [Int] {
        let words = try section.words("width") ?? ["128"]
        let widths = words.compactMap { Int($0) }.filter { (1...1 << 20).contains($0) }
        guard widths.count == words.count, !widths.isEmpty else {
            throw section.refusal(
                "width", words.joined(separator: ", "),
                "it must be a whole number from 1 to \(1 << 20), or a list of such numbers, one more than model.depth")
        }
        return widths
    }

    /// A name and its options; the options' own meaning is checked when the network is built.
    private static func named(
        _ section: SettingsSection, nameKey: String, default name: String, defaults: [String: OptionValue]
    ) throws(ExperimentError) -> (name: String, options: [String: OptionValue]) {
        guard let given = try section.text(nameKey) else {
            let rest = try section.remainingScalars()
            if let first = rest.first {
                throw section.error(
                    "\(section.path).\(first.key) is given, but \(section.path).\(nameKey) is missing; name it first")
            }
            return (name, defaults)
        }
        var options: [String: OptionValue] = [:]
        for (key, value) in try section.remainingScalars() { options[key] = OptionValue(scalar: value) }
        return (given, options)
    }

    /// The section as it stands in the resolved file.
    func resolved(path: [String: OptionValue], correction: [String: OptionValue]) -> [(String, SettingsValue)] {
        func entries(_ nameKey: String, _ name: String, _ options: [String: OptionValue]) -> SettingsValue {
            .section([(nameKey, .plain(name))] + options.keys.sorted().map { ($0, .plain(options[$0].map(\.description) ?? "")) })
        }
        return [
            ("width", widths.count == 1 ? .plain("\(width)") : .list(widths.map { "\($0)" })), ("depth", .plain("\(depth)")),
            ("path", entries("family", self.path.family, path)),
            ("correction", entries("kind", self.correction.kind, correction)), ("activation", .plain(activation.rawValue)),
            ("bias", .plain("\(bias)")), ("loss", .plain(loss.rawValue)),
            (
                "embedding",
                .section([
                    ("kind", .plain(embedding.kind.rawValue)), ("activation", .plain(embedding.activation.rawValue)),
                    ("scale", .plain("\(embedding.scale)")),
                ])
            ), ("learningRateScaling", .plain("\(learningRateScaling)")),
        ]
    }
}

extension OptionValue {
    /// The first of flag, whole number, number and text that fits.
    init(scalar text: String) {
        if let flag = Bool(text) {
            self = .flag(flag)
        } else if let whole = Int(text) {
            self = .integer(whole)
        } else if let number = Double(text) {
            self = .number(number)
        } else {
            self = .text(text)
        }
    }
}
