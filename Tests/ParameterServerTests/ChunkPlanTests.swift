import ParameterServer
import Testing

@Suite("The chunk plan")
struct ChunkPlanTests {
    static func blocks(_ sizes: [(count: Int, granule: Int, layer: Int)]) -> [BlockExtent] {
        var start = 0
        return sizes.enumerated().map { index, size in
            defer { start = (start + size.count + 15) / 16 * 16 }
            return BlockExtent(name: "b\(index)", range: start..<start + size.count, granule: size.granule, layer: size.layer)
        }
    }

    static func check(_ plan: ChunkPlan) {
        var seen = Array(repeating: [Range<Int>](), count: plan.blocks.count)
        var end = 0
        for (index, chunk) in plan.chunks.enumerated() {
            #expect(Int(chunk.index.rawValue) == index)
            #expect(chunk.range.count <= ChunkPlan.Limits.standard.elementsMax && !chunk.range.isEmpty)
            #expect(chunk.range.lowerBound >= end)
            end = chunk.range.upperBound
            for segment in chunk.segments {
                #expect(chunk.range.contains(segment.range.lowerBound) && segment.range.upperBound <= chunk.range.upperBound)
                seen[segment.block].append(segment.range)
            }
        }
        for (block, ranges) in zip(plan.blocks, seen) {
            #expect(ranges.first?.lowerBound == block.range.lowerBound && ranges.last?.upperBound == block.range.upperBound)
            for (a, b) in zip(ranges, ranges.dropFirst()) {
                #expect(a.upperBound == b.lowerBound)
                #expect((a.upperBound - block.range.lowerBound).isMultiple(of: block.granule), "a granule is split")
            }
        }
    }

    @Test("covers every block once, splits no granule, stays within 1 MiB")
    func covers() throws {
        for sizes in [
            [(7, 1, 0)], [(1_048_576, 1024, 0), (1024, 1, 0), (1_048_576, 1024, 1), (10, 1, 2)],
            [(300_000, 3, 0), (300_000, 300, 0), (5, 5, 1)], Array(repeating: (4_112, 1, 3), count: 400),
        ] as [[(Int, Int, Int)]] {
            Self.check(try ChunkPlan(blocks: Self.blocks(sizes)))
        }
    }

    @Test("lets small layers share a chunk and closes a chunk at a layer's end from 256 KiB on")
    func coalesces() throws {
        let small = try ChunkPlan(blocks: Self.blocks((0..<20).map { (4096, 1, $0) }))
        #expect(small.chunks.map(\.segments.count) == [16, 4])
        let large = try ChunkPlan(blocks: Self.blocks([(100_000, 1, 0), (100_000, 1, 1)]))
        #expect(large.chunks.count == 2)
    }

    @Test("numbers the statistics chunk after the parameters")
    func statistics() throws {
        let plan = try ChunkPlan(blocks: Self.blocks([(7, 1, 0)]))
        #expect(plan.statistics.rawValue == 1 && plan.frameCount == 2)
    }

    @Test("refuses a granule larger than a chunk, with the remedy")
    func granule() {
        let blocks = Self.blocks([(300_000, 300_000, 0)])
        let error = ChunkPlanError.granuleTooLarge(block: "b0", granule: 300_000, elementsMax: 262_144)
        #expect(throws: error) { try ChunkPlan(blocks: blocks) }
        #expect("\(error)".contains("make the layer narrower"))
    }
}
