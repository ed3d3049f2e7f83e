import CAllocationCounter
import Foundation
import Testing

/// What whole processes take from the heap while steps go by.
@Suite("The allocations of a run's processes", .serialized, .enabled(if: plumb_counts_allocations()))
struct AllocationTests {
    /// The most that a thread may take in a step, on average.
    struct Limit: Sendable {
        var role: String
        /// How the thread's name begins.
        var thread: String
        var blocks: Double
        /// Of 4 KiB and more.
        var payloads: Double
    }

    /// Limits of two workers and three chunks, a third above what was measured where something is taken.
    struct Way: Sendable, CustomTestStringConvertible {
        var placement: String
        var payloads: String
        var limits: [Limit]

        var testDescription: String { "\(placement), \(payloads)" }
    }

    /// Lanes take nothing in any way, and the data path of neighbours that share memory nothing as large as a payload. (A pool or a
    /// queue may come to its size late, when something is held for longer than ever before: a few blocks once, not one a step.)
    static func ways() -> [Way] {
        let late = 0.004
        let lane = Limit(role: "worker", thread: "plumb-lane", blocks: 0.01, payloads: late)
        func data(_ blocks: Double, _ payloads: Double) -> Limit {
            Limit(role: "worker", thread: "plumb-data", blocks: blocks, payloads: payloads)
        }
        func shard(_ blocks: Double, _ payloads: Double) -> Limit {
            Limit(role: "coordinator", thread: "plumb-shard", blocks: blocks, payloads: payloads)
        }
        // libzmq's own thread: it makes room of 18 KB for what arrives when the last room is still read, and for each large payload.
        func zmq(_ role: String, _ count: Double) -> Limit {
            Limit(role: role, thread: "ZMQbg/IO", blocks: count, payloads: count)
        }
        return [
            Way(
                placement: "coordinator", payloads: "auto",
                limits: [lane, data(8, late), shard(20, late), zmq("worker", 0.5), zmq("coordinator", 2)]),
            Way(
                placement: "workers", payloads: "auto",
                limits: [lane, data(14, late), shard(12, late), zmq("worker", 0.5), zmq("coordinator", 2)]),
            Way(
                placement: "coordinator", payloads: "tcp",
                limits: [lane, data(26, 1.4), shard(70, 2.7), zmq("worker", 14), zmq("coordinator", 28)]),
            Way(
                placement: "workers", payloads: "tcp",
                limits: [lane, data(34, 1.4), shard(12, late), zmq("worker", 14), zmq("coordinator", 2)]),
        ]
    }

    static func experiment(_ folder: String) throws -> String {
        let file = "\(folder)/experiment.yaml"
        try """
        data: { source: synthetic, examples: 2048, features: 64, classes: 10, test: 0, validation: 0 }
        model: { width: 256, depth: 4, path: { family: dense, init: he }, correction: { kind: none }, activation: relu }
        optimizer: { kind: sgd, learningRate: 0.001, momentum: 0.9 }
        training: { batch: 128, partitions: 2, steps: 1000000, validateEvery: 0, checkpointEvery: 0, onNonFinite: continue }
        diagnostics: { select: [] }
        record: { tensorboard: false }
        cluster: { workers: 2 }
        """.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    @Test(
        "in a steady step are none on lanes, none of a payload's size where memory is shared, and few otherwise", arguments: ways())
    func steadyStep(way: Way) throws {
        try Program.inTemporaryFolder { folder in
            let counts = "\(folder)/counts"
            try FileManager.default.createDirectory(atPath: counts, withIntermediateDirectories: true)
            let (process, _, errors) = try Program.start(
                [
                    "train", try Self.experiment(folder), "--json", "--run-dir", "\(folder)/run", "--set",
                    "training.placement=\(way.placement)", "--set", "cluster.payloads=\(way.payloads)",
                ], environment: ["PLUMB_ALLOCATIONS": counts], program: "counted-plumb")
            defer {
                process.interrupt()
                process.waitUntilExit()
            }
            let (run, coordinator) = (RunFolder(path: "\(folder)/run"), process.processIdentifier)
            // Queues and pools have come to their sizes by then.
            #expect(Program.wait(120) { (run.lastStep ?? 0) > 300 || !process.isRunning })
            let (first, from) = (try ThreadAllocations(folder: counts, coordinator: coordinator), run.lastStep ?? 0)
            #expect(Program.wait(120) { (run.lastStep ?? 0) > from + 600 || !process.isRunning })
            let (last, to) = (try ThreadAllocations(folder: counts, coordinator: coordinator), run.lastStep ?? 0)
            guard process.isRunning, to > from + 600 else {
                Issue.record(
                    "the run has ended early: \(String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self))")
                return
            }
            for limit in way.limits {
                let threads = last.taken(since: first, limit.role, limit.thread)
                #expect(threads.count == (limit.role == "worker" ? 2 : 1), "\(limit.role)'s \(limit.thread)")
                for taken in threads {
                    let (blocks, payloads) = (Double(taken.blocks) / Double(to - from), Double(taken.payloads) / Double(to - from))
                    #expect(
                        blocks <= limit.blocks && payloads <= limit.payloads,
                        "\(limit.role)'s \(limit.thread): \(blocks) blocks a step, \(payloads) of them of 4 KiB and more")
                }
            }
        }
    }
}
