import StructuredLayers

/// A contiguous range of the flat vector that one shard keeps whole, and the trained elements in it.
public struct KrylovChunk: Codable, Hashable, Sendable {
    /// A run of trained elements of one layer; what is left out (state, padding) is zero in every vector.
    public struct Piece: Codable, Hashable, Sendable {
        /// 0 the embedding, 1…L the layers, L + 1 the readout.
        public let layer: Int
        /// Elements of the flat vector.
        public let range: Range<Int>
    }

    /// Its place in the order in which partial results are added.
    public let index: Int
    /// Elements of the flat vector.
    public let range: Range<Int>
    /// Ascending.
    public let pieces: [Piece]
}

/// The cut of a network's flat vector into the chunks of a Krylov basis. The cut alone decides the order of every addition, so that
/// results have the same bits however the chunks are spread over shards.
public struct KrylovLayout: Codable, Hashable, Sendable {
    public let chunks: [KrylovChunk]
    /// d, the trained elements.
    public let dimension: Int

    /// Cuts the trained blocks of `layout` at the bounds of `ranges`, which ascend, do not overlap and cover every block; one chunk
    /// that holds everything when there are none. O(blocks · ranges).
    public init(_ layout: ParameterLayout, ranges: [Range<Int>] = []) {
        let ranges = ranges.isEmpty ? [0..<layout.count] : ranges
        let trained = layout.blocks.filter { $0.role == .parameter }
        chunks = ranges.enumerated().map { index, range in
            let pieces = trained.compactMap { block in
                let common = block.range.clamped(to: range)
                return common.isEmpty ? nil : KrylovChunk.Piece(layer: block.layer, range: common)
            }
            return KrylovChunk(index: index, range: range, pieces: pieces)
        }
        dimension = chunks.reduce(0) { $0 + $1.pieces.reduce(0) { $0 + $1.range.count } }
        precondition(dimension == layout.parameterCount, "the ranges cover every trained element once")
    }
}
