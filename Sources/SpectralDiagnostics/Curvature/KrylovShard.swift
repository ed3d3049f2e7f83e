import LinearAlgebra

/// The shard's half of the Hessian's Krylov methods: its chunks of θ, of the basis and of the work vector. It executes the
/// `CurvatureConductor`'s commands, and answers with partial sums a chunk, so that nothing but scalars leaves it besides the points
/// at which gradients are taken.
///
/// What it computes for a chunk depends on that chunk alone: the bits are the same however chunks are spread over shards.
/// Memory: steps + probes + 3 vectors of the chunks' size in float32. O(steps · elements) a product. One thread at a time.
public struct KrylovShard: Sendable {
    private var chunks: [ChunkVectors]

    /// A shard that holds `chunks` of one `KrylovLayout`; any of them.
    public init(chunks: [KrylovChunk]) { self.chunks = chunks.map { ChunkVectors($0) } }

    /// Sets θ on the shard's `position`-th chunk. `parameters: [range.count]`.
    public mutating func setParameters(_ parameters: Span<Float>, ofChunk position: Int) {
        chunks[position].setParameters(parameters)
    }

    /// The published point on the shard's `position`-th chunk. `target: [range.count]`.
    public func copyPublished(chunk position: Int, into target: inout MutableSpan<Float>) {
        chunks[position].copyPublished(into: &target)
    }

    /// Takes the summed gradient at the published point on the shard's `position`-th chunk: first that of +, then that of −.
    /// `gradient: [range.count]`; elements of state and padding are ignored.
    public mutating func takeGradient(_ gradient: Span<Float>, sign: ProbeSign, ofChunk position: Int) {
        chunks[position].takeGradient(gradient, sign: sign)
    }

    /// Carries out a command on every chunk.
    public mutating func execute(_ command: KrylovCommand) -> [ChunkSums] {
        chunks.indices.map { chunks[$0].execute(command) }
    }
}
