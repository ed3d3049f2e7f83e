import ParameterServer
import Testing

@Suite("The map of shards")
struct ShardMapTests {
    /// Chunks of 100, 100, 40, 100, 10 and 60 elements.
    private static func plan() throws -> ChunkPlan {
        var (blocks, start): ([BlockExtent], Int) = ([], 0)
        for (layer, count) in [100, 100, 40, 100, 10, 60].enumerated() {
            blocks.append(BlockExtent(name: "b\(layer)", range: start..<start + count, layer: layer))
            start += count
        }
        return try ChunkPlan(blocks: blocks, limits: .init(elementsMax: 100, elementsGood: 1))
    }

    @Test("deals the coordinator's threads about as many bytes each, the scalars to the first, and cuts nothing anew")
    func threads() throws {
        let plan = try Self.plan()
        for count in 1...6 {
            let hosts = WorkerID.coordinators(count)
            let map = ShardMap(plan, hosts: hosts)
            #expect(map.hosts == hosts && map.everybody == hosts && map.host(of: plan.statistics) == .coordinator)
            let dealt = hosts.map { host in map.chunks(of: host).filter { $0 != plan.statistics } }
            #expect(dealt.flatMap { $0 }.sorted() == plan.chunks.map(\.index))
            let elements = dealt.map { $0.reduce(0) { $0 + plan.chunks[Int($1.rawValue)].range.count } }
            #expect((elements.max() ?? 0) - (elements.min() ?? 0) <= 100, "\(elements)")
        }
    }

    @Test("has no thread without a chunk")
    func few() throws {
        let plan = try Self.plan()
        #expect(ShardMap(plan, hosts: WorkerID.coordinators(64)).hosts == WorkerID.coordinators(6))
    }

    @Test("names the coordinator's threads apart from every worker")
    func names() {
        let hosts = WorkerID.coordinators(WorkerID.coordinatorsMax)
        #expect(Set(hosts).count == 64 && hosts[0] == .coordinator && hosts.allSatisfy(\.isCoordinators))
        #expect(hosts.allSatisfy { !WorkerID.lives.contains($0.rawValue) })
        for number in [WorkerID.lives.lowerBound, .max, 1, 1 << 55] { #expect(!WorkerID(rawValue: number).isCoordinators) }
        let worker = WorkerID(rawValue: 0xA1 << 56)
        #expect([hosts[0], hosts[1], worker].map { "\($0)" } == ["coordinator", "coordinator-2", "worker-a100000000000000"])
    }
}
