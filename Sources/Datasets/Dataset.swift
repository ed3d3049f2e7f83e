import Crypto
import LinearAlgebra

/// Labelled examples in memory: features [examples, features] and one class each.
public struct Dataset: Sendable {
    public let name: String
    /// `[count, featureCount]`, an example a row.
    public private(set) var features: Matrix
    /// `[count]`, each in `0 ..< classes`.
    public private(set) var labels: [Int32]
    public let classes: Int

    /// A data set; the labels must lie in `0 ..< classes`.
    public init(name: String, features: Matrix, labels: [Int32], classes: Int) {
        precondition(features.rows == labels.count, "a label an example")
        precondition(labels.allSatisfy { (0..<Int32(classes)).contains($0) }, "labels lie in 0 ..< classes")
        self.name = name
        self.features = features
        self.labels = labels
        self.classes = classes
    }

    public var count: Int { labels.count }
    public var featureCount: Int { features.columns }

    /// The examples at `indices`, in that order.
    public func selecting(_ indices: [Int32]) -> Dataset {
        var chosen = Matrix(rows: indices.count, columns: featureCount)
        var target = chosen.mutableSpan
        let source = features.span
        for (row, index) in indices.enumerated() {
            var part = target.part(row * featureCount..<(row + 1) * featureCount)
            VectorKernels.copy(source.extracting(Int(index) * featureCount..<(Int(index) + 1) * featureCount), into: &part)
        }
        return Dataset(name: name, features: chosen, labels: indices.map { labels[Int($0)] }, classes: classes)
    }

    /// Gathers a batch feature-major: `inputs: [featureCount, indices.count]`, column b the example `indices[b]`; and its labels.
    ///
    /// O(featureCount · batch); no allocation when `labels` has the capacity.
    public func gather(_ indices: [Int32], into inputs: inout MutableMatrixView, labels target: inout [Int32]) {
        precondition(inputs.rows == featureCount && inputs.columns == indices.count, "inputs: [features, batch]")
        target.removeAll(keepingCapacity: true)
        for index in indices { target.append(labels[Int(index)]) }
        VectorKernels.gatherColumns(of: features.view, indices.span, into: &inputs)
    }

    /// The same into a matrix that the caller keeps.
    public func gather(_ indices: [Int32], into inputs: inout Matrix, labels target: inout [Int32]) {
        var view = inputs.mutableView
        gather(indices, into: &view, labels: &target)
    }

    /// x ← (x − mean)/deviation, feature by feature.
    public mutating func standardise(_ statistics: FeatureStatistics) {
        precondition(statistics.means.count == featureCount, "statistics of these features")
        let (width, rows) = (featureCount, count)
        var elements = features.mutableSpan
        for row in 0..<rows {
            for column in 0..<width {
                let value = Double(elements[row * width + column])
                elements[row * width + column] = Float((value - statistics.means[column]) / statistics.deviations[column])
            }
        }
    }

    /// SHA-256, in hexadecimal, over the shape, the features and the labels: equal on every machine that has the same data.
    public func digest() -> String {
        var hash = SHA256()
        hash.update(data: Array("\(count) examples of \(featureCount) features, \(classes) classes".utf8))
        unsafe features.span.bytes.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
        unsafe labels.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
        return hash.finalize().map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }
}

/// Mean and standard deviation of each feature, in float64; a constant feature has the deviation 1.
public struct FeatureStatistics: Hashable, Sendable {
    public let means: [Double]
    public let deviations: [Double]

    /// The statistics of these examples, rows in order.
    public init(_ data: Dataset) {
        let (width, count) = (data.featureCount, max(1, data.count))
        var (sums, squares) = (Array(repeating: 0.0, count: width), Array(repeating: 0.0, count: width))
        let elements = data.features.span
        for row in 0..<data.count { for column in 0..<width { sums[column] += Double(elements[row * width + column]) } }
        let means = sums.map { $0 / Double(count) }
        for row in 0..<data.count {
            for column in 0..<width {
                let distance = Double(elements[row * width + column]) - means[column]
                squares[column] += distance * distance
            }
        }
        self.means = means
        deviations = squares.map { $0 > 0 ? ($0 / Double(count)).squareRoot() : 1 }
    }
}
