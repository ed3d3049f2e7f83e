import CAllocationCounter
import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import StructuredLayers
import Testing

@testable import Training

/// What computing takes from the heap once its buffers are there: on this thread, as on a worker's lane.
@Suite("The allocations of a steady step", .enabled(if: plumb_counts_allocations()))
struct AllocationTests {
    static let layers = 3
    /// Of a cap: a version's bound is made of float64 Gram matrices and their eigenvectors, which LAPACK's faces allocate. By correction,
    /// blocks a layer and version.
    static let capBlocks: [String: UInt64] = ["bottleneck": 16, "dense": 8, "gated-low-rank": 16, "low-rank": 21]

    /// Blocks taken by each step, of six microbatches on few examples: epochs end all the time.
    static func blocks(path: String, correction: String, width: Int = 24, steps: Int = 40, _ overrides: [String] = []) throws
        -> [UInt64]
    {
        let experiment = try Experiment(
            yaml: """
                data: { source: spirals, points: 200 }
                model: { width: \(width), depth: \(layers), activation: relu, path: { \(path) }, correction: { \(correction) } }
                training: { batch: 48, partitions: 6, steps: 1000 }
                diagnostics: { every: 0 }
                """, source: "test", overrides: overrides)
        let plan = try TrainingPlan(experiment: experiment, data: try ExperimentData(experiment.data))
        var computer = MicrobatchComputer(plan)
        let parameters = plan.initialState().parameters
        var taken: [UInt64] = []
        taken.reserveCapacity(steps)
        for step in 0..<Step(steps) {
            let before = plumb_allocations_of_thread().blocks
            _ = computer.gradient(of: plan.tree.root, step: step, parameters: parameters.span)
            taken.append(plumb_allocations_of_thread().blocks - before)
        }
        return taken
    }

    /// After the first steps, in which buffers come to be, and but for one: once in some processes, in one step of one network, whatever it
    /// is made of, a single block is taken.
    static func steady(_ blocks: [UInt64]) -> Set<UInt64> { Set(blocks.dropFirst(10).sorted().dropLast()) }

    static func rank(_ kind: String) -> String { kind == "dense" ? "" : ", rank: 4" }

    @Test("are none for any path", arguments: LayerFamilies.builtin.pathNames)
    func paths(family: String) throws {
        let blocks = try Self.blocks(path: "family: \(family)", correction: "kind: none")
        #expect(Self.steady(blocks) == [0], "\(blocks)")
    }

    /// (For some shapes of less than a million multiplications OpenBLAS's kernels for AVX-512 allocate while they compute; these are more.)
    @Test("are none where OpenBLAS cuts products into panels")
    func wide() throws {
        let blocks = try Self.blocks(
            path: "family: dense", correction: "kind: none", width: 320, ["data.points=1000", "training.batch=384"])
        #expect(Self.steady(blocks) == [0], "\(blocks)")
    }

    @Test("are none on steps that gather diagnostics")
    func gathering() throws {
        let blocks = try Self.blocks(
            path: "family: dense", correction: "kind: none",
            ["diagnostics.every=3", "diagnostics.select=[depth-slope, noise-scale]"])
        #expect(Self.steady(blocks) == [0], "\(blocks)")
    }

    @Test(
        "are none for any correction and scale", arguments: LayerFamilies.builtin.correctionNames,
        ["none", "rezero", "layerscale", "none, outputClip: 0.1", "rezero, outputClip: 0.1"])
    func corrections(kind: String, scale: String) throws {
        let blocks = try Self.blocks(
            path: "family: identity", correction: "kind: \(kind)\(Self.rank(kind)), scale: \(scale)")
        #expect(Self.steady(blocks) == [0], "\(blocks)")
    }

    @Test("are those of its bound where a cap holds the correction", arguments: LayerFamilies.builtin.correctionNames)
    func caps(kind: String) throws {
        let blocks = try Self.blocks(
            path: "family: identity", correction: "kind: \(kind)\(Self.rank(kind)), cap: 0.1, outputClip: 3")
        let bound = try #require(Self.capBlocks[kind]) * UInt64(Self.layers)
        #expect(Self.steady(blocks).allSatisfy { (1...bound).contains($0) }, "\(blocks)")
    }

    @Test("are seen: small ones, arrays, mapped ones, and mapped ones that the process had kept")
    func counter() {
        func taken(_ body: () -> Int) -> (blocks: UInt64, payloads: UInt64) {
            let before = plumb_allocations_of_thread()
            let elements = body()
            let after = plumb_allocations_of_thread()
            return elements > 0 ? (after.blocks - before.blocks, after.payloads - before.payloads) : (0, 0)
        }
        let small = taken { AlignedVector(count: 16).count }
        #expect(small.blocks >= 2 && small.payloads == 0)
        let array = taken { Array(repeating: 0, count: Int(plumb_payload_bytes)).count }
        #expect(array.payloads == 1)
        ProcessMemory.keepFreed()
        for _ in 0..<3 {
            let large = taken { AlignedVector(count: 1 << 20).count }
            #expect(large.payloads >= 1)
        }
    }
}
