import LinearAlgebra
import StructuredLayers

/// A diagnostic of one frozen version on a batch of examples, in parts that add up: the same code in one process and in a probe round
/// of a cluster.
///
/// The batch is cut into shares. `partial` looks at one share, and is a function of the share alone; the partials of all shares are
/// added element by element in float64, along one tree; `rows` reads the sums. What must not be added (a maximum, a value an example)
/// has an element of its own for each example, which the example's share fills and every other leaves zero. A value that is not finite
/// stays one in the sum, and `rows` says so. The same shares give the same bits, whoever computes them; another cut of the batch may differ
/// in the last ones, where examples of a share go through a product together.
public protocol NetworkProbe: Sendable {
    /// As `diagnostics.select` names it, such as `jacobian`.
    var name: String { get }
    /// The ids in the rows, such as D10.
    var diagnostics: [String] { get }
    /// Elements of a partial, for a batch of `examples`.
    func length(_ network: Network, examples: Int) -> Int
    /// About how much a batch costs, all shares together, in forward passes of one example.
    func cost(_ network: Network, examples: Int) -> Double
    /// About how many operations `rows` takes, which no worker shares.
    func reductionOperations(_ network: Network, examples: Int) -> Double
    /// The share's part, `length` elements.
    func partial(_ share: ProbeShare) -> [Double]
    /// What the sums say; total: a reason where there is no value.
    func rows(_ sums: [Double], version: FrozenNetwork, examples: Int) -> [DiagnosticRow]
}

extension NetworkProbe {
    public func reductionOperations(_ network: Network, examples: Int) -> Double { 0 }
}

/// A part of a probe batch, and where it lies in it.
public struct ProbeShare: Sendable {
    public let version: FrozenNetwork
    /// [inputs, count]: the share's examples; there may be none.
    public let inputs: Matrix
    /// A class an example.
    public let labels: [Int32]
    /// The number of the share's first example in the batch.
    public let first: Int
    /// Examples of the whole batch.
    public let examples: Int
    /// Which of how many shares this is: work that no example asks for is dealt out by it.
    public let index: Int
    public let shares: Int

    /// A share; `labels` as many as `inputs` has columns.
    public init(
        version: FrozenNetwork, inputs: Matrix, labels: [Int32], first: Int, examples: Int, index: Int, shares: Int
    ) {
        precondition(inputs.rows == version.network.specification.inputs && inputs.columns == labels.count, "a label an example")
        precondition(first >= 0 && first + labels.count <= examples && index >= 0 && index < shares, "a share of the batch")
        (self.version, self.inputs, self.labels) = (version, inputs, labels)
        (self.first, self.examples, self.index, self.shares) = (first, examples, index, shares)
    }

    /// At most `limit` examples of the batch, evenly spaced, so that shares of equal size have equal work: those that are the share's,
    /// as columns of `inputs` with their number among the chosen, 0 ..< min(limit, examples).
    func chosen(atMost limit: Int) -> [(column: Int, slot: Int)] {
        if examples <= limit { return labels.indices.map { ($0, first + $0) } }
        return labels.indices.compactMap { column in
            let number = first + column
            let slot = (number * limit + examples - 1) / examples
            return slot < limit && slot * examples / limit == number ? (column, slot) : nil
        }
    }
}
