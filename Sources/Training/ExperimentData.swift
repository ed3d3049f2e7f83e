import Datasets
import ExperimentFile

/// The examples of an experiment, cut and standardised.
public struct ExperimentData: Sendable {
    public let split: DataSplit
    /// SHA-256 over all parts: equal on every machine that may take part.
    public let digest: String

    public var train: Dataset { split.train }
    /// Classes.
    public var outputs: Int { split.train.classes }

    /// Loads what the specification names. Paths are relative to the working directory. Blocking.
    ///
    /// - Throws: `DatasetError` with the file, what was seen, and what to do.
    public init(_ specification: DataSpecification) throws(DatasetError) {
        let (data, separateTest) = try Self.load(specification.source)
        var split = try DataSplit(
            data, test: .init(specification.test), validation: .init(specification.validation), separateTest: separateTest)
        if specification.standardise == .feature { split.standardise() }
        self.split = split
        digest = [split.train, split.validation, split.test].map { $0.digest() }.joined(separator: ".")
    }

    private static func load(_ source: DataSpecification.Source) throws(DatasetError) -> (Dataset, Dataset?) {
        switch source {
        case .digits: return (try .digits(), nil)
        case .idx(let images, let labels, let testImages, let testLabels):
            let train = try Dataset(idxImages: images, labels: labels)
            guard let testImages, let testLabels else { return (train, nil) }
            let test = try Dataset(idxImages: testImages, labels: testLabels)
            guard test.classes <= train.classes else {
                throw DatasetError(
                    testLabels,
                    "the test labels have \(test.classes) classes, the training labels \(train.classes); give files of one set")
            }
            return (train, test)
        case .csv(let file, let label, let header):
            let hasHeader: Bool? = header == .detect ? nil : header == .present
            return (try Dataset(csv: file, label: label, hasHeader: hasHeader), nil)
        case .spirals(let points, let turns, let noise, let seed):
            return (.spirals(points: points, turns: turns, noise: noise, seed: seed), nil)
        case .synthetic(let examples, let features, let classes, let seed):
            return (.synthetic(examples: examples, features: features, classes: classes, seed: seed), nil)
        }
    }
}

extension DataSplit.Share {
    init(_ share: DataSpecification.Share) {
        switch share {
        case .count(let count): self = .count(count)
        case .fraction(let fraction): self = .fraction(fraction)
        }
    }
}
