import LinearAlgebra

/// Which examples a partition contributes to a step: a pure function, so any process can compute any microbatch.
///
/// A seeded permutation of all examples is cut into M partitions at ⌊pN/M⌋; partition p goes through its own examples in a new order
/// each epoch: its k-th sample is `order(p, ⌊k/n_p⌋)[k mod n_p]`.
public struct PartitionPlan: Sendable {
    public let examples: Int
    public let partitions: Int
    /// B/M.
    public let microbatch: Int
    public let seed: UInt64
    private let order: [Int32]

    /// Plans `examples` examples in `partitions` parts, `batch` examples a step.
    ///
    /// - Throws: `DatasetError` when the batch cannot be divided, or there are more partitions than examples.
    public init(examples: Int, partitions: Int, batch: Int, seed: UInt64) throws(DatasetError) {
        guard partitions >= 1, batch >= 1, batch.isMultiple(of: partitions) else {
            throw DatasetError(
                "training.batch", "\(batch) examples cannot be divided among \(partitions) partitions; choose a multiple")
        }
        guard examples >= partitions else {
            throw DatasetError(
                "training.partitions",
                "\(partitions) partitions need as many training examples, but there are \(examples); choose fewer")
        }
        self.examples = examples
        self.partitions = partitions
        self.seed = seed
        microbatch = batch / partitions
        order = CounterRNG(seed: seed, purpose: "partitions").permutation(count: examples)
    }

    /// The largest power of two M that leaves microbatches of at least 64 examples and divides the batch; 1 if there is none.
    public static func defaultPartitions(batch: Int) -> Int {
        var partitions = 1
        while batch / (2 * partitions) >= 64 && batch.isMultiple(of: 2 * partitions) { partitions *= 2 }
        return partitions
    }

    /// The places of a partition's examples in the global permutation.
    func range(of partition: Int) -> Range<Int> {
        partition * examples / partitions..<(partition + 1) * examples / partitions
    }

    /// The examples of microbatch (partition, step), into `indices`. O(microbatch + n_p for each epoch touched).
    public func indices(partition: Int, step: UInt64, into indices: inout [Int32]) {
        var orders = EpochOrders()
        self.indices(partition: partition, step: step, orders: &orders, into: &indices)
    }

    /// The same in O(microbatch) for as long as the partition's epoch is the one that `orders` holds; where another begins, its order is
    /// drawn in the last one's place. `orders` belong to this plan alone.
    public func indices(partition: Int, step: UInt64, orders: inout EpochOrders, into indices: inout [Int32]) {
        precondition((0..<partitions).contains(partition), "there is no partition \(partition)")
        indices.removeAll(keepingCapacity: true)
        let range = range(of: partition)
        let first = step * UInt64(microbatch)
        let known = orders.place(of: partition)
        for k in first..<first + UInt64(microbatch) {
            let (epoch, place) = k.quotientAndRemainder(dividingBy: UInt64(range.count))
            if orders.known[known].epoch != epoch {
                drawOrder(partition, epoch, count: range.count, into: &orders.known[known].order)
                orders.known[known].epoch = epoch
            }
            indices.append(order[range.lowerBound + Int(orders.known[known].order[Int(place)])])
        }
    }

    private func drawOrder(_ partition: Int, _ epoch: UInt64, count: Int, into order: inout [Int32]) {
        let generator = CounterRNG(seed: seed, purpose: "epoch-order", index: epoch &* UInt64(1 << 20) &+ UInt64(partition))
        generator.writePermutation(count: count, into: &order)
    }
}

/// The orders in which partitions go through their present epochs, kept from step to step: 4 bytes an example of the partitions asked for.
public struct EpochOrders: Sendable {
    fileprivate struct Known: Sendable {
        var partition: Int
        /// nil before the first.
        var epoch: UInt64?
        var order: [Int32] = []
    }

    /// As many as partitions have been asked for: few to a lane, and found in a glance.
    fileprivate var known: [Known] = []

    /// None yet.
    public init() {}

    fileprivate mutating func place(of partition: Int) -> Int {
        if let place = known.firstIndex(where: { $0.partition == partition }) { return place }
        known.append(Known(partition: partition))
        return known.count - 1
    }
}
