import LinearAlgebra

/// Training, validation and test examples of one set, fixed for good: the cut does not depend on an experiment's seed, so that
/// experiments can be compared and nothing is ever chosen by the test examples.
public struct DataSplit: Sendable {
    public var train: Dataset
    public var validation: Dataset
    public var test: Dataset

    /// How many examples a part takes.
    public enum Share: Hashable, Sendable {
        case count(Int)
        case fraction(Double)

        func resolved(of total: Int) -> Int {
            switch self {
            case .count(let count): count
            case .fraction(let fraction): Int((fraction * Double(total)).rounded())
            }
        }
    }

    /// Cuts `data`: first the test examples, then `validation` of what is left; when `test` examples come in files of their own, only
    /// the validation examples are cut off.
    ///
    /// - Throws: `DatasetError` when no training examples are left.
    public init(_ data: Dataset, test: Share, validation: Share, separateTest: Dataset? = nil) throws(DatasetError) {
        let order = CounterRNG(seed: 0, purpose: "split").permutation(count: data.count)
        let testCount = separateTest == nil ? test.resolved(of: data.count) : 0
        let validationCount = validation.resolved(of: max(0, data.count - testCount))
        let trainCount = data.count - testCount - validationCount
        guard trainCount >= 1, testCount >= 0, validationCount >= 0 else {
            throw DatasetError(
                data.name,
                "\(testCount) test and \(validationCount) validation examples leave none of \(data.count) for training; lower data.test or data.validation"
            )
        }
        if let separateTest {
            guard separateTest.featureCount == data.featureCount else {
                throw DatasetError(
                    data.name,
                    "a test example has \(separateTest.featureCount) features, a training example \(data.featureCount); give files of one set"
                )
            }
        }
        self.test = separateTest ?? data.selecting(Array(order[..<testCount]).sorted())
        self.validation = data.selecting(Array(order[testCount..<testCount + validationCount]).sorted())
        train = data.selecting(Array(order[(testCount + validationCount)...]).sorted())
    }

    /// Applies the training examples' means and deviations to all three parts.
    public mutating func standardise() {
        let statistics = FeatureStatistics(train)
        train.standardise(statistics)
        validation.standardise(statistics)
        test.standardise(statistics)
    }
}
