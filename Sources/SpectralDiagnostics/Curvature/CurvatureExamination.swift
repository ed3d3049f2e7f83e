import LinearAlgebra
import StructuredLayers

/// D14–D18 of one network on one batch, in this process: the conductor and one shard, without a cluster between them.
///
/// Tier T2; probes · steps products, and the memory of a `KrylovShard`.
public struct CurvatureExamination {
    private var matrices: [CurvatureProduct]
    private let parameters: AlignedVector
    private let layout: KrylovLayout
    private let examples: Int

    /// - Parameters:
    ///   - parameters: θ, [layout.count].
    ///   - batches: `inputs: [inputs, batch]` and a label an example; products are added in this order.
    ///   - ranges: the chunks of a cluster, to have its bits; one chunk without them.
    public init(
        _ network: Network, parameters: AlignedVector, batches: [(inputs: Matrix, labels: [Int32])], ranges: [Range<Int>] = []
    ) {
        self.parameters = parameters
        layout = KrylovLayout(network.layout, ranges: ranges)
        examples = batches.reduce(0) { $0 + $1.labels.count }
        matrices = batches.map { CurvatureProduct(network, parameters: parameters, inputs: $0.inputs, labels: $0.labels) }
    }

    /// Runs Lanczos on the matrix that the options name.
    public mutating func report(_ options: CurvatureOptions) -> CurvatureReport {
        var conductor = CurvatureConductor(options, layout: layout, examples: examples)
        var shard = KrylovShard(chunks: layout.chunks)
        for (position, chunk) in layout.chunks.enumerated() {
            shard.setParameters(parameters.span.extracting(chunk.range), ofChunk: position)
        }
        var (vector, product) = (AlignedVector(count: parameters.count), AlignedVector(count: parameters.count))
        while true {
            switch conductor.action {
            case .finished(let report): return report
            case .shards(let command): conductor.complete(shard.execute(command))
            case .product(let step):
                gather(shard, into: &vector)
                multiply(options.kind, vector, step, into: &product)
                for (position, chunk) in layout.chunks.enumerated() {
                    shard.takeProduct(product.span.extracting(chunk.range), ofChunk: position)
                }
                conductor.complete()
            }
        }
    }

    private func gather(_ shard: KrylovShard, into vector: inout AlignedVector) {
        var all = vector.mutableSpan
        for (position, chunk) in layout.chunks.enumerated() {
            var part = all.part(chunk.range)
            shard.copyDirection(chunk: position, into: &part)
        }
    }

    private mutating func multiply(
        _ kind: CurvatureKind, _ vector: AlignedVector, _ step: Double, into product: inout AlignedVector
    ) {
        var total = product.mutableSpan
        matrices[0].product(kind, vector.span, step: step, into: &total)
        if matrices.count == 1 { return }
        var next = AlignedVector(count: vector.count)
        for index in matrices.indices.dropFirst() {
            var part = next.mutableSpan
            matrices[index].product(kind, vector.span, step: step, into: &part)
            VectorKernels.add(next.span, into: &total)
        }
    }
}
