import LinearAlgebra
import StructuredLayers

/// D14–D18 of one network on one batch, in this process: the conductor and one shard, without a cluster between them.
///
/// Tier T2; probes · steps products of two gradients each, and the memory of a `KrylovShard`.
public struct CurvatureExamination {
    private var gradients: [ProbeGradient]
    private let parameters: AlignedVector
    private let layout: KrylovLayout
    private let examples: Int

    /// - Parameters:
    ///   - parameters: θ, [layout.count].
    ///   - batches: `inputs: [inputs, batch]` and a label an example; gradients are added in this order.
    ///   - ranges: the chunks of a cluster, to have its bits; one chunk without them.
    public init(
        _ network: Network, parameters: AlignedVector, batches: [(inputs: Matrix, labels: [Int32])], ranges: [Range<Int>] = []
    ) {
        self.parameters = parameters
        layout = KrylovLayout(network.layout, ranges: ranges)
        examples = batches.reduce(0) { $0 + $1.labels.count }
        gradients = batches.map { ProbeGradient(network, parameters: parameters, inputs: $0.inputs, labels: $0.labels) }
    }

    /// Runs Lanczos on the matrix that the options name.
    public mutating func report(_ options: CurvatureOptions) -> CurvatureReport {
        var conductor = CurvatureConductor(options, layout: layout, examples: examples)
        var shard = KrylovShard(chunks: layout.chunks)
        for (position, chunk) in layout.chunks.enumerated() {
            shard.setParameters(parameters.span.extracting(chunk.range), ofChunk: position)
        }
        var (point, gradient) = (parameters, AlignedVector(count: parameters.count))
        while true {
            switch conductor.action {
            case .finished(let report): return report
            case .shards(let command): conductor.complete(shard.execute(command))
            case .gradient(let sign):
                gather(shard, into: &point)
                sum(options.kind, at: point, into: &gradient)
                for (position, chunk) in layout.chunks.enumerated() {
                    shard.takeGradient(gradient.span.extracting(chunk.range), sign: sign, ofChunk: position)
                }
                conductor.complete()
            }
        }
    }

    private func gather(_ shard: KrylovShard, into point: inout AlignedVector) {
        var all = point.mutableSpan
        for (position, chunk) in layout.chunks.enumerated() {
            var part = all.part(chunk.range)
            shard.copyPublished(chunk: position, into: &part)
        }
    }

    private mutating func sum(_ kind: CurvatureKind, at point: AlignedVector, into gradient: inout AlignedVector) {
        var total = gradient.mutableSpan
        gradients[0].gradient(kind, at: point.span, into: &total)
        if gradients.count == 1 { return }
        var next = AlignedVector(count: point.count)
        for index in gradients.indices.dropFirst() {
            var part = next.mutableSpan
            gradients[index].gradient(kind, at: point.span, into: &part)
            VectorKernels.add(next.span, into: &total)
        }
    }
}
