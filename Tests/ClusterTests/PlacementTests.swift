import Foundation
import Testing

/// Shards on workers, payloads through shared memory or sockets: the same bits wherever they live and however they travel.
@Suite("Placement", .serialized)
struct PlacementTests {
    static let onWorkers = ["--set", "training.placement=workers"]

    @Test(
        "one weightsSHA256 on 1 to 4 workers, in both placements, through shared memory and tcp, on 1 and 2 threads: the reference's"
    )
    func sameBits() throws {
        try Program.inTemporaryFolder { folder in
            let settings = ChaosTests.wide + ["--set", "training.steps=30"]
            let reference = try ChaosTests.reference(folder, settings)
            var runs: [String] = []
            for workers in 1...4 {
                for placement in ["coordinator", "workers"] {
                    for (payloads, threads) in [("auto", 1), ("auto", 2), ("tcp", 1), ("tcp", 2)] {
                        let directory = "\(folder)/\(workers)-\(placement)-\(payloads)-\(threads)"
                        let run = try ChaosTests.train(
                            directory,
                            settings + [
                                "--set", "cluster.workers=\(workers)", "--set", "training.placement=\(placement)", "--set",
                                "cluster.payloads=\(payloads)", "--set", "cluster.threads=\(threads)",
                            ])
                        #expect(run.status == 0, "\(directory): \(run.errors)")
                        #expect(run.json["weightsSHA256"] as? String == reference.bits, "\(directory)")
                        #expect(try RunFolder(path: directory).lawfulRows() == reference.rows, "\(directory)")
                        runs.append(directory)
                    }
                }
            }
            ChaosTests.expectNothingLeft(in: folder, runs: runs)
        }
    }

    @Test("kill -9 of a worker that hosts a shard, in hello, computing, pushing, receiving or at a snapshot, changes no bit")
    func hostKills() throws {
        try Program.inTemporaryFolder { folder in
            let reference = try ChaosTests.reference(folder, ChaosTests.wide)
            var (runs, rollbacks): ([String], Int) = ([], 0)
            for (number, point) in ["hello", "compute", "push", "receive", "snapshot"].enumerated() {
                for attempt in 0..<4 {
                    let step = point == "hello" ? 0 : point == "snapshot" ? 20 * (attempt + 1) : 3 + 31 * attempt + number
                    let directory = "\(folder)/\(point)-\(attempt)"
                    let victim = "worker-\(attempt % 3 + 1)"
                    let run = try ChaosTests.train(
                        directory,
                        ChaosTests.wide + Self.onWorkers + [
                            "--set", "cluster.workers=3", "--set", "cluster.payloads=\(attempt.isMultiple(of: 2) ? "auto" : "tcp")",
                        ], environment: ["PLUMB_FAILPOINT": "\(victim):\(point):\(step)"])
                    #expect(run.status == 0, "\(point) \(step): \(run.errors)")
                    #expect(run.json["weightsSHA256"] as? String == reference.bits, "\(point) \(step)")
                    let record = RunFolder(path: directory)
                    #expect(try record.lawfulRows() == reference.rows, "\(point) \(step)")
                    let times = "FROM worker_timings WHERE compute_seconds > 0 AND exposed_seconds >= 0 AND wait_seconds >= 0"
                    #expect(try record.numbers("SELECT COUNT(DISTINCT worker) >= 2 \(times)") == [1], "\(point) \(step)")
                    rollbacks += try record.numbers("SELECT COUNT(*) FROM events WHERE kind = 'rolled back'").first ?? 0
                    runs.append(directory)
                }
            }
            #expect(runs.count == 20 && rollbacks == 16, "every host that had begun took its chunks along: \(rollbacks)")
            ChaosTests.expectNothingLeft(in: folder, runs: runs)
        }
    }

    @Test("a host that is killed right after a snapshot: the same versions again, of another timeline", arguments: [1, 2])
    func replaysAtOnce(threads: Int) throws {
        try Program.inTemporaryFolder { folder in
            let settings = ChaosTests.wide + ["--set", "training.steps=40", "--set", "training.checkpointEvery=1"]
            let reference = try ChaosTests.reference(folder, settings)
            var runs: [String] = []
            for (number, point) in ["push:7", "compute:9", "push:12", "compute:18", "receive:25", "push:30"].enumerated() {
                let directory = "\(folder)/\(number)"
                let run = try ChaosTests.train(
                    directory, settings + Self.onWorkers + ["--set", "cluster.workers=3", "--set", "cluster.threads=\(threads)"],
                    environment: ["PLUMB_FAILPOINT": "worker-\(number % 3 + 1):\(point)"])
                #expect(run.status == 0, "\(point): \(run.errors)")
                #expect(run.json["weightsSHA256"] as? String == reference.bits, "\(point)")
                #expect(try RunFolder(path: directory).lawfulRows() == reference.rows, "\(point)")
                runs.append(directory)
            }
            ChaosTests.expectNothingLeft(in: folder, runs: runs)
        }
    }

    @Test("a coordinator that is killed while shards live on workers is resumed with the same bits")
    func coordinatorKills() throws {
        try Program.inTemporaryFolder { folder in
            let reference = try ChaosTests.reference(folder, ChaosTests.narrow)
            var runs: [String] = []
            for (attempt, target) in [-1, 20, 310, 770, 1230].enumerated() {
                let directory = "\(folder)/killed-\(attempt)"
                let (process, _, _) = try ChaosTests.start(
                    directory, ChaosTests.narrow + Self.onWorkers + ["--set", "cluster.workers=2"])
                let run = RunFolder(path: directory)
                #expect(
                    Program.wait(30) {
                        let begun = FileManager.default.fileExists(atPath: "\(directory)/experiment.yaml")
                        return begun && (target < 0 || run.lastStep ?? -1 >= target)
                    })
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
                let resumed = try Program.run([
                    "train", "--resume", directory, "--json", "--set", "cluster.workers=\(1 + attempt % 3)",
                ])
                #expect(resumed.status == 0, "killed after step \(target): \(resumed.errors)")
                #expect(resumed.json["weightsSHA256"] as? String == reference.bits)
                #expect(try run.lawfulRows() == reference.rows)
                runs.append(directory)
            }
            ChaosTests.expectNothingLeft(in: folder, runs: runs)
        }
    }

    @Test("Ctrl-C while shards live on workers keeps a snapshot of one version, from which the run goes on")
    func interrupt() throws {
        try Program.inTemporaryFolder { folder in
            let reference = try ChaosTests.reference(folder, ChaosTests.narrow)
            for attempt in 0..<3 {
                let directory = "\(folder)/stopped-\(attempt)"
                let (process, _, errors) = try ChaosTests.start(
                    directory, ChaosTests.narrow + Self.onWorkers + ["--set", "cluster.workers=\(attempt + 1)"])
                #expect(Program.wait(30) { RunFolder(path: directory).lastStep ?? 0 > 100 + 300 * attempt })
                try ChaosTests.interrupt(process, errors)
                let resumed = try Program.run(["train", "--resume", directory, "--json", "--set", "cluster.workers=2"])
                #expect(resumed.status == 0 && resumed.json["weightsSHA256"] as? String == reference.bits, "\(resumed.errors)")
                #expect(try RunFolder(path: directory).lawfulRows() == reference.rows)
            }
            ChaosTests.expectNothingLeft(in: folder, runs: (0..<3).map { "\(folder)/stopped-\($0)" })
        }
    }

    @Test("a worker that joins takes part at once and hosts chunks from the next rollback on")
    func joins() throws {
        try Program.inTemporaryFolder { folder in
            let settings = ChaosTests.narrow + ["--set", "training.steps=6000"]
            let reference = try ChaosTests.reference(folder, settings)
            let directory = "\(folder)/run"
            let (coordinator, output, errors) = try Program.start(
                ["coordinator", ProcessTests.digits, "--port", "0", "--json", "--run-dir", directory] + settings + Self.onWorkers
                    + ["--set", "cluster.workers=2"])
            let run = RunFolder(path: directory)
            #expect(Program.wait(20) { FileManager.default.fileExists(atPath: "\(directory)/endpoint") })
            let endpoint = try String(contentsOfFile: "\(directory)/endpoint", encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            var workers = try (0..<2).map { _ in try Program.start(["worker", "--connect", endpoint, "--quiet"]).0 }
            #expect(Program.wait(30) { run.lastStep ?? 0 > 300 })
            workers.append(try Program.start(["worker", "--connect", endpoint, "--quiet"]).0)
            #expect(Program.wait(30) { run.log.contains("\"members\":\"3\"") })
            let joined = run.lastStep ?? 0
            #expect(Program.wait(30) { run.lastStep ?? 0 > joined + 200 })
            kill(workers[0].processIdentifier, SIGKILL)
            _ = errors
            let line = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            coordinator.waitUntilExit()
            for worker in workers { worker.waitUntilExit() }
            let outcome = Program.Outcome(status: 0, output: line, errors: "")
            #expect(coordinator.terminationStatus == 0 && outcome.json["weightsSHA256"] as? String == reference.bits)
            #expect(try run.lawfulRows() == reference.rows)
            #expect((outcome.json["microbatchesPerWorker"] as? [String: Int])?.count == 3)
            ChaosTests.expectNothingLeft(in: folder, runs: [directory])
        }
    }
}
