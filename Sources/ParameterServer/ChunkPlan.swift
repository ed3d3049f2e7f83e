/// The cut of the flat parameter vector into chunks, a function of the layout alone.
///
/// A chunk is at most 1 MiB; it ends at a layer's end once it holds 256 KiB, so that small layers share a chunk and a large layer
/// can travel as soon as its gradient is there. No chunk splits a granule.
public struct ChunkPlan: Hashable, Codable, Sendable {
    /// The part of one block that lies in one chunk: the unit of per-block optimizer settings and squared norms.
    public struct Segment: Hashable, Codable, Sendable {
        /// Index into `blocks`.
        public let block: Int
        /// Elements of the flat vector.
        public let range: Range<Int>
    }

    /// A contiguous range of the flat vector.
    public struct Chunk: Hashable, Codable, Sendable {
        public let index: ChunkIndex
        /// Elements of the flat vector, the padding between its blocks included.
        public let range: Range<Int>
        public let segments: [Segment]
    }

    /// 1 MiB of float32.
    public static let elementsMax = 262_144
    /// 256 KiB of float32: the size from which a chunk ends with its layer.
    public static let elementsGood = 65_536

    public let blocks: [BlockExtent]
    public let chunks: [Chunk]

    /// The plan for `blocks`, which ascend and do not overlap.
    ///
    /// - Throws: `ChunkPlanError` when a granule is larger than a chunk.
    public init(blocks: [BlockExtent]) throws(ChunkPlanError) {
        self.blocks = blocks
        var cutter = Cutter()
        for (index, block) in blocks.enumerated() {
            precondition(block.range.lowerBound >= cutter.end, "blocks ascend and do not overlap")
            guard block.granule <= Self.elementsMax else { throw .granuleTooLarge(block: block.name, granule: block.granule) }
            let endsLayer = index + 1 == blocks.count || blocks[index + 1].layer != block.layer
            cutter.append(block, index: index)
            if endsLayer && cutter.count >= Self.elementsGood { cutter.close() }
        }
        cutter.close()
        chunks = cutter.chunks
    }

    /// The number of elements that the chunks span, padding included.
    public var elements: Int { chunks.last.map(\.range.upperBound) ?? 0 }

    /// The chunk that carries the step's scalars; it has no parameters, and its new version is an empty frame.
    public var statistics: ChunkIndex { ChunkIndex(rawValue: UInt32(chunks.count)) }

    /// The chunks of parameters and the statistics chunk.
    public var frameCount: Int { chunks.count + 1 }
}

/// Why a layout cannot be cut into chunks.
public enum ChunkPlanError: Error, Hashable, Sendable, CustomStringConvertible {
    case granuleTooLarge(block: String, granule: Int)

    public var description: String {
        switch self {
        case .granuleTooLarge(let block, let granule):
            "block \(block) has a granule of \(granule) elements, but a chunk holds \(ChunkPlan.elementsMax); make the layer narrower"
        }
    }
}

private struct Cutter {
    var chunks: [ChunkPlan.Chunk] = []
    private var segments: [ChunkPlan.Segment] = []
    private var start: Int?
    var end = 0

    var count: Int { start.map { end - $0 } ?? 0 }

    mutating func append(_ block: BlockExtent, index: Int) {
        var rest = block.range
        // A block that does not fit beside what is there starts a chunk of its own.
        if let start, rest.upperBound - start > ChunkPlan.elementsMax { close() }
        while !rest.isEmpty {
            let room = ChunkPlan.elementsMax / block.granule * block.granule
            let piece = rest.lowerBound..<min(rest.lowerBound + room, rest.upperBound)
            if start == nil { start = piece.lowerBound }
            segments.append(.init(block: index, range: piece))
            end = piece.upperBound
            rest = piece.upperBound..<rest.upperBound
            if !rest.isEmpty { close() }
        }
    }

    mutating func close() {
        guard let start else { return }
        chunks.append(.init(index: ChunkIndex(rawValue: UInt32(chunks.count)), range: start..<end, segments: segments))
        segments = []
        self.start = nil
    }
}
