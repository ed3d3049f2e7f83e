/// The scalars of a node's microbatches, in the order of `StatisticsLayout`: the float64 vector beside a gradient.
///
/// Like a gradient's memory it is filled again once nobody else holds it; a copy of `values` is nobody's but its holder's.
public final class NodeScalars: @unchecked Sendable {
    // Sendable: one thread writes them, whoever computes the node or adds to it, and tells nobody of them before it has; who is told reads.
    public private(set) var values: [Double]

    /// Scalars of these values.
    public init(_ values: [Double] = []) { self.values = values }

    /// None yet, and room for `capacity`.
    init(capacity: Int) {
        values = []
        values.reserveCapacity(capacity)
    }

    /// `count` zeros. Allocates when there were never as many.
    func clear(count: Int) {
        values.removeAll(keepingCapacity: true)
        for _ in 0..<count { values.append(0) }
    }

    func set(_ index: Int, _ value: Double) { values[index] = value }

    /// Copies `elements` to the places `range`, which are as many.
    func set(_ range: Range<Int>, _ elements: [Double]) {
        precondition(range.count == elements.count, "a value for every place")
        for (index, value) in zip(range, elements) { values[index] = value }
    }

    /// Adds those of a sibling of the same step, number by number, before anybody is told of the sum.
    public func add(_ other: NodeScalars) {
        precondition(values.count == other.values.count, "scalars of one step have one length")
        for index in values.indices { values[index] += other.values[index] }
    }
}
