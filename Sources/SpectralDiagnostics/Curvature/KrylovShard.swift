import LinearAlgebra

/// The shard's half of the Hessian's Krylov methods: its chunks of θ, of the basis and of the work vector. It executes the
/// `CurvatureConductor`'s commands, and answers with partial sums a chunk, so that nothing but scalars leaves it besides the vectors
/// that the matrix is multiplied by.
///
/// What it computes for a chunk depends on that chunk alone: the bits are the same however chunks are spread over shards.
/// Memory: `vectors` of the chunks' size in float32. O(steps · elements) a product. One thread at a time.
public struct KrylovShard: Sendable {
    private var chunks: [ChunkVectors]

    /// What is kept at most, of so many steps and runs.
    public static func vectors(steps: Int, runs: Int) -> Int { steps / 2 + runs + 5 }

    /// A shard that holds `chunks` of one `KrylovLayout`; any of them.
    public init(chunks: [KrylovChunk]) { self.chunks = chunks.map { ChunkVectors($0) } }

    /// Sets θ on the shard's `position`-th chunk. `parameters: [range.count]`.
    public mutating func setParameters(_ parameters: Span<Float>, ofChunk position: Int) {
        chunks[position].setParameters(parameters)
    }

    /// Has every product be that with S·H·S, S = diag(`scaling`), of the shard's `position`-th chunk. `scaling: [range.count]`.
    public mutating func setScaling(_ scaling: AlignedVector, ofChunk position: Int) { chunks[position].setScaling(scaling) }

    /// What the matrix is multiplied by next, the basis' last vector, on the shard's `position`-th chunk; zero outside trained elements. `target: [range.count]`.
    public func copyDirection(chunk position: Int, into target: inout MutableSpan<Float>) {
        chunks[position].copyDirection(into: &target)
    }

    /// Takes the last vector's product with the matrix, summed over the examples, on the shard's `position`-th chunk.
    /// `product: [range.count]`; elements of state and padding are ignored.
    public mutating func takeProduct(_ product: Span<Float>, ofChunk position: Int) { chunks[position].takeProduct(product) }

    /// Carries out a command on every chunk.
    public mutating func execute(_ command: KrylovCommand) -> [ChunkSums] {
        chunks.indices.map { chunks[$0].execute(command) }
    }
}
