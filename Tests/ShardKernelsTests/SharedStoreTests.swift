import LinearAlgebra
import ParameterServer
import ShardKernels
import Testing

@Suite("Stores in one memory")
struct SharedStoreTests {
    private static func same(_ a: OptimizerState, _ b: OptimizerState) -> Bool {
        zip([a.parameters] + a.moments, [b.parameters] + b.moments).allSatisfy { x, y in
            (0..<x.count).allSatisfy { x.span[$0].bitPattern == y.span[$0].bitPattern }
        }
    }

    @Test("hold different chunks, and together the state of one store; a copy stays as it was when its chunk goes on")
    func together() throws {
        let plan = try ChunkPlan(blocks: CheckedStepTests.blocks, limits: .init(elementsMax: 9000, elementsGood: 1000))
        let optimizer = OptimizerSpecification(kind: .adam(beta1: 0.9, beta2: 0.99, epsilon: 1e-8), learningRate: 0.1)
        let update = ParameterUpdate(optimizer: optimizer, blocks: CheckedStepTests.blocks, batch: 3)
        let state = OptimizerState(parameters: CheckedStepTests.parameters(plan), optimizer: optimizer)
        var alone = ShardStore(plan: plan, update: update, state: state)
        let map = ShardMap(plan, hosts: WorkerID.coordinators(3))
        let empty = ShardStore(plan: plan, update: update, versions: ParameterVersions(count: plan.elements))
        var stores = Dictionary(uniqueKeysWithValues: map.hosts.map { ($0, empty) })
        for chunk in plan.chunks { stores[map.host(of: chunk.index)]?.install(chunk.index, from: state) }
        #expect(map.hosts.count == 3 && Self.same(empty.state(at: 7), state), "both versions are installed")
        let root = TreeNode(0, 1)
        for step in Step(7)..<11 {
            let gradient = CheckedStepTests.gradient(plan, at: step)
            for chunk in plan.chunks {
                let (host, index) = (map.host(of: chunk.index), chunk.index)
                alone.accept(chunk: index, borrowing: gradient.borrowed(chunk.range), merging: [], yields: root)
                stores[host]?.accept(chunk: index, borrowing: gradient.borrowed(chunk.range), merging: [], yields: root)
                let before = try #require(stores[host]?.copy(ofSections: 3, of: index))
                alone.apply(chunk: index, step: step, clipScale: 1, root: root)
                stores[host]?.apply(chunk: index, step: step, clipScale: 1, root: root)
                let after = try #require(stores[host]?.copy(ofSections: 3, of: index))
                #expect(zip(before, after).allSatisfy { $0.span[0].bitPattern != $1.span[0].bitPattern })
                let (copied, version) = (before[0], empty.versions[step])
                let (first, made) = (copied.span[0], version.span[chunk.range.lowerBound])
                #expect(first.bitPattern == made.bitPattern)
            }
            let (shared, one) = (empty.state(at: step + 1), alone.state(at: step + 1))
            #expect(Self.same(shared, one) && Self.same(alone.state, one))
        }
    }
}
