/// Where the examples come from, and how they are split.
public struct DataSpecification: Hashable, Sendable {
    /// The place or generator of the examples.
    public enum Source: Hashable, Sendable {
        /// The built-in handwritten digits: 1,797 images of 8 × 8.
        case digits
        /// IDX files, plain or .gz; the test files may be absent.
        case idx(images: String, labels: String, testImages: String?, testLabels: String?)
        /// A table of numbers, plain or .gz, one example a line; `label` is a column's name or number, nil the last column.
        case csv(file: String, label: String?, header: Header)
        /// Two interleaved spirals: `points` examples in all.
        case spirals(points: Int, turns: Double, noise: Double, seed: UInt64)
        /// Gaussian features and random labels, for benchmarks.
        case synthetic(examples: Int, features: Int, classes: Int, seed: UInt64)
    }

    /// Whether a table's first line names its columns.
    public enum Header: String, CaseIterable, Hashable, Sendable { case detect, present, absent }

    /// How many examples a part of the split takes.
    public enum Share: Hashable, Sendable, CustomStringConvertible {
        case count(Int)
        case fraction(Double)

        public var description: String {
            switch self {
            case .count(let count): String(count)
            case .fraction(let fraction): String(fraction)
            }
        }
    }

    /// What is done to the features, with figures taken from the training examples alone.
    public enum Standardise: String, CaseIterable, Hashable, Sendable { case none, feature }

    public var source: Source
    /// Ignored when the source has test files of its own.
    public var test: Share
    public var validation: Share
    public var standardise: Standardise

    public init(source: Source, test: Share = .fraction(0.2), validation: Share = .fraction(0.1), standardise: Standardise = .none)
    {
        self.source = source
        self.test = test
        self.validation = validation
        self.standardise = standardise
    }
}

extension DataSpecification {
    private enum Kind: String, CaseIterable { case digits, idx, csv, spirals, synthetic }

    init(_ section: SettingsSection) throws(ExperimentError) {
        source = try Self.source(section)
        test = try Self.share(section, "test", default: .fraction(0.2))
        validation = try Self.share(section, "validation", default: .fraction(0.1))
        standardise = try section.choice("standardise", default: .none)
        try section.finish()
    }

    private static func source(_ section: SettingsSection) throws(ExperimentError) -> Source {
        switch try section.choice("source", default: Kind.digits) {
        case .digits: return .digits
        case .idx:
            let (testImages, testLabels) = (try section.text("testImages"), try section.text("testLabels"))
            guard (testImages == nil) == (testLabels == nil) else {
                throw section.error("\(section.path).testImages and testLabels go together; give both or neither")
            }
            return .idx(
                images: try required(section, "images"), labels: try required(section, "labels"), testImages: testImages,
                testLabels: testLabels)
        case .csv:
            return .csv(
                file: try required(section, "file"), label: try section.text("label"),
                header: try section.choice("header", default: .detect))
        case .spirals:
            return .spirals(
                points: try section.integer("points", default: 1024, in: 8...10_000_000),
                turns: try section.number("turns", default: 3, in: 0.1...100),
                noise: try section.number("noise", default: 0.02, in: 0...10),
                seed: UInt64(try section.integer("seed", default: 0, in: 0...Int.max)))
        case .synthetic:
            return .synthetic(
                examples: try section.integer("examples", default: 4096, in: 8...100_000_000),
                features: try section.integer("features", default: 64, in: 1...1_000_000),
                classes: try section.integer("classes", default: 10, in: 2...100_000),
                seed: UInt64(try section.integer("seed", default: 0, in: 0...Int.max)))
        }
    }

    private static func required(_ section: SettingsSection, _ key: String) throws(ExperimentError) -> String {
        guard let text = try section.text(key), !text.isEmpty else {
            throw section.error("\(section.path(of: key)) is missing; give the path of a file")
        }
        return text
    }

    private static func share(_ section: SettingsSection, _ key: String, default value: Share) throws(ExperimentError) -> Share {
        guard let text = try section.text(key) else { return value }
        if let count = Int(text), count >= 0 { return .count(count) }
        if let fraction = Double(text), fraction > 0, fraction < 1 { return .fraction(fraction) }
        throw section.refusal(key, text, "it must be a number of examples or a fraction between 0 and 1")
    }

    var resolved: [(String, SettingsValue)] {
        let rest: [(String, SettingsValue)] = [
            ("test", .plain(test.description)), ("validation", .plain(validation.description)),
            ("standardise", .plain(standardise.rawValue)),
        ]
        switch source {
        case .digits: return [("source", .plain("digits"))] + rest
        case .idx(let images, let labels, let testImages, let testLabels):
            var entries: [(String, SettingsValue)] = [
                ("source", .plain("idx")), ("images", .text(images)), ("labels", .text(labels)),
            ]
            if let testImages, let testLabels { entries += [("testImages", .text(testImages)), ("testLabels", .text(testLabels))] }
            return entries + rest
        case .csv(let file, let label, let header):
            var entries: [(String, SettingsValue)] = [("source", .plain("csv")), ("file", .text(file))]
            if let label { entries.append(("label", .text(label))) }
            return entries + [("header", .plain(header.rawValue))] + rest
        case .spirals(let points, let turns, let noise, let seed):
            return [
                ("source", .plain("spirals")), ("points", .plain("\(points)")), ("turns", .plain("\(turns)")),
                ("noise", .plain("\(noise)")), ("seed", .plain("\(seed)")),
            ] + rest
        case .synthetic(let examples, let features, let classes, let seed):
            return [
                ("source", .plain("synthetic")), ("examples", .plain("\(examples)")), ("features", .plain("\(features)")),
                ("classes", .plain("\(classes)")), ("seed", .plain("\(seed)")),
            ] + rest
        }
    }
}
