import LinearAlgebra
import ParameterServer
import ShardKernels
import Testing

@Suite("The same bits on any cluster")
struct SameBitsTests {
    static let optimizers: [OptimizerSpecification] = [
        .init(kind: .sgd(momentum: 0.9), learningRate: 0.05, weightDecay: 0.01),
        .init(kind: .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8), learningRate: 0.01, weightDecay: 0.1),
        .init(
            kind: .adamW(beta1: 0.9, beta2: 0.99, epsilon: 1e-8), learningRate: 0.01,
            schedule: .init(shape: .cosine(steps: 12, final: 0.1), warmUp: 3), weightDecay: 0.1),
    ]

    static func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

    static func final(_ cluster: MachineCluster) -> [UInt32] {
        let parameters = cluster.store.state.parameters
        return parameters.span.indices.map { parameters.span[$0].bitPattern }
    }

    @Test("whatever the number of workers, partitions, the clipping and the order of arrival", arguments: 1...6, [1, 2, 3, 5, 8])
    func undisturbed(workers: Int, partitions: Int) {
        for (index, optimizer) in Self.optimizers.enumerated() {
            for clip in [nil, 0.5] {
                let problem = ToyProblem(partitions: partitions, steps: 8, optimizer: optimizer, clip: clip)
                let expected = problem.reference()
                for seed in 0..<4 {
                    var cluster = MachineCluster(problem, seed: UInt64(seed * 100 + index), workersToStart: workers)
                    for id in 1...workers { cluster.join(WorkerID(rawValue: UInt64(id))) }
                    while cluster.turn() {}
                    #expect(cluster.outcome == .finished)
                    let isEqual = Self.final(cluster) == Self.bits(expected.parameters)
                    #expect(isEqual)
                    #expect(cluster.lossSums == expected.losses)
                    #expect(cluster.computedMicrobatches == 8 * partitions, "every microbatch once")
                }
            }
        }
    }

    @Test("when workers are killed and join at any moment, without clipping and with it", arguments: [nil, 0.5])
    func disturbed(clip: Double?) {
        let problem = ToyProblem(partitions: 6, steps: 12, optimizer: Self.optimizers[1], clip: clip)
        let expected = problem.reference()
        var disturbances = 0
        for seed in 0..<200 {
            var cluster = MachineCluster(problem, seed: UInt64(seed), workersToStart: 3)
            var next: UInt64 = 4
            for id in 1...3 { cluster.join(WorkerID(rawValue: UInt64(id))) }
            var turns = 0
            while cluster.turn() {
                // Before enough workers have joined nothing goes on that could be disturbed.
                if cluster.coordinator.assignments.allSatisfy(\.partitions.isEmpty) { continue }
                turns += 1
                // One worker that holds the present version always stays: what happens when none is left needs a snapshot.
                let alive = cluster.workers.keys.sorted()
                if turns % 40 == 0, alive.count > 2 {
                    disturbances += 1
                    cluster.kill(alive[1 + cluster.draw(alive.count - 1)])
                } else if turns % 40 == 20 {
                    cluster.join(WorkerID(rawValue: next))
                    next += 1
                }
            }
            #expect(cluster.outcome == .finished, "seed \(seed)")
            let isEqual = Self.final(cluster) == Self.bits(expected.parameters)
            #expect(isEqual, "seed \(seed)")
            #expect(cluster.lossSums == expected.losses, "seed \(seed)")
        }
        #expect(disturbances > 1000)
    }

    @Test("a state block is assigned, exactly: no mean, no clipping, no decay, no moments, and no part in the norm")
    func state() throws {
        let block = ToyProblem.blocks.count - 1
        let range = ToyProblem.blocks[block].range
        for optimizer in Self.optimizers {
            let problem = ToyProblem(partitions: 3, steps: 1, optimizer: optimizer, clip: 1e-3)
            var state = problem.initialState()
            let next: [Float] = [1, -0.0, 1e30, -.leastNonzeroMagnitude, 0.1, -7, 0]
            let segment = try #require(problem.plan.chunks.flatMap(\.segments).first { $0.block == block && $0.range == range })
            state.apply(problem.update, step: 0, clipScale: 1e-6, segment: segment, gradient: next.span)
            #expect(Self.bits(range.map { state.parameters.span[$0] }) == Self.bits(next))
            for moment in state.moments { #expect(range.allSatisfy { moment.span[$0] == 0 }) }
            #expect(problem.update.squaredNorm(block: block, gradient: next.span) == 0)
            #expect(problem.update.squaredNorm(block: block, gradient: [1, .infinity].span).isNaN)
            #expect(problem.update.squaredNorm(block: 0, gradient: [1, 2].span) == 5)
        }
    }

    @Test("the toy's sums do depend on the order of addition, so adding in order of arrival would be caught")
    func sensitivity() {
        let problem = ToyProblem(partitions: 6, steps: 8, optimizer: Self.optimizers[0])
        let expected = problem.reference()
        let arrival = problem.reference { step, parameters in
            var (gradient, loss) = problem.leaf(Int(step) % 6, step: step, parameters: parameters)
            for offset in 1..<6 {
                let other = problem.leaf((Int(step) + offset) % 6, step: step, parameters: parameters)
                gradient = zip(gradient, other.gradient).map { $0 + $1 }
                loss += other.loss
            }
            return (gradient, loss)
        }
        let isEqual = Self.bits(arrival.parameters) == Self.bits(expected.parameters)
        #expect(!isEqual)
    }
}
