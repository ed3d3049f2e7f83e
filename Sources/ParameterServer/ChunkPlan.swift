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

    /// How large chunks are. Fixed in use; tests and simulations take smaller ones to have several chunks in a small network.
    public struct Limits: Hashable, Codable, Sendable {
        /// Elements that a chunk holds at most.
        public var elementsMax: Int
        /// Elements from which a chunk ends with its layer.
        public var elementsGood: Int

        public init(elementsMax: Int, elementsGood: Int) {
            precondition(elementsGood >= 1 && elementsMax >= elementsGood, "limits ascend")
            self.elementsMax = elementsMax
            self.elementsGood = elementsGood
        }

        /// 1 MiB and 256 KiB of float32.
        public static let standard = Limits(elementsMax: 262_144, elementsGood: 65_536)
    }

    public let blocks: [BlockExtent]
    public let chunks: [Chunk]

    /// The plan for `blocks`, which ascend and do not overlap.
    ///
    /// - Throws: `ChunkPlanError` when a granule is larger than a chunk.
    public init(blocks: [BlockExtent], limits: Limits = .standard) throws(ChunkPlanError) {
        self.blocks = blocks
        var cutter = Cutter(limits: limits)
        for (index, block) in blocks.enumerated() {
            precondition(block.range.lowerBound >= cutter.end, "blocks ascend and do not overlap")
            guard block.granule <= limits.elementsMax else {
                throw .granuleTooLarge(block: block.name, granule: block.granule, elementsMax: limits.elementsMax)
            }
            let endsLayer = index + 1 == blocks.count || blocks[index + 1].layer != block.layer
            cutter.append(block, index: index)
            if endsLayer && cutter.count >= limits.elementsGood { cutter.close() }
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
    case granuleTooLarge(block: String, granule: Int, elementsMax: Int)

    public var description: String {
        switch self {
        case .granuleTooLarge(let block, let granule, let elementsMax):
            "block \(block) has a granule of \(granule) elements, but a chunk holds \(elementsMax); make the layer narrower"
        }
    }
}

private struct Cutter {
    let limits: ChunkPlan.Limits
    var chunks: [ChunkPlan.Chunk] = []
    private var segments: [ChunkPlan.Segment] = []
    private var start: Int?
    var end = 0

    init(limits: ChunkPlan.Limits) { self.limits = limits }

    var count: Int { start.map { end - $0 } ?? 0 }

    mutating func append(_ block: BlockExtent, index: Int) {
        var rest = block.range
        // A block that does not fit beside what is there starts a chunk of its own.
        if let start, rest.upperBound - start > limits.elementsMax { close() }
        while !rest.isEmpty {
            let room = limits.elementsMax / block.granule * block.granule
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
