import LinearAlgebra
import SpectralDiagnostics
import StructuredLayers

/// A probe round written down plainly: a batch cut into shares, their partials added in pairs.
enum ProbeTwin {
    /// Cuts a batch into shares of nearly equal size, the examples in order. A share may be empty.
    ///
    /// - Parameters:
    ///   - inputs: `[inputs, examples]`.
    ///   - labels: a class an example.
    static func shares(_ version: FrozenNetwork, inputs: Matrix, labels: [Int32], count: Int) -> [ProbeShare] {
        precondition(count >= 1, "a batch has shares")
        let examples = labels.count
        return (0..<count).map { index in
            let range = index * examples / count..<(index + 1) * examples / count
            return ProbeShare(
                version: version, inputs: inputs.columns(range), labels: Array(labels[range]), first: range.lowerBound,
                examples: examples, index: index, shares: count)
        }
    }

    /// The sums over shares 0, 1, …: in pairs, along the tree that cuts at the largest power of two below the count.
    static func sum(_ partials: [[Double]]) -> [Double] { sum(partials[...]) }

    private static func sum(_ partials: ArraySlice<[Double]>) -> [Double] {
        if partials.count < 2 { return partials.first ?? [] }
        let cut = partials.startIndex + 1 << (Int.bitWidth - 1 - (partials.count - 1).leadingZeroBitCount)
        let (left, right) = (sum(partials[..<cut]), sum(partials[cut...]))
        return zip(left, right).map { $0 + $1 }
    }

    /// The rows of all `probes`, each over all shares of the batch.
    static func rows(
        _ probes: [any NetworkProbe], version: FrozenNetwork, inputs: Matrix, labels: [Int32], shares count: Int = 8
    ) -> [DiagnosticRow] {
        let shares = shares(version, inputs: inputs, labels: labels, count: count)
        return probes.flatMap { probe in
            probe.rows(sum(shares.map { probe.partial($0) }), version: version, examples: labels.count)
        }
    }
}
