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
        precondition((0..<partitions).contains(partition), "there is no partition \(partition)")
        indices.removeAll(keepingCapacity: true)
        let range = range(of: partition)
        let first = step * UInt64(microbatch)
        var current: (epoch: UInt64, order: [Int32])?
        for k in first..<first + UInt64(microbatch) {
            let (epoch, place) = k.quotientAndRemainder(dividingBy: UInt64(range.count))
            if current?.epoch != epoch { current = (epoch, epochOrder(partition, epoch, count: range.count)) }
            guard let current else { continue }
            indices.append(order[range.lowerBound + Int(current.order[Int(place)])])
        }
    }

    private func epochOrder(_ partition: Int, _ epoch: UInt64, count: Int) -> [Int32] {
        let generator = CounterRNG(seed: seed, purpose: "epoch-order", index: epoch &* UInt64(1 << 20) &+ UInt64(partition))
        return generator.permutation(count: count)
    }
}
