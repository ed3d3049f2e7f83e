import Foundation
import Testing

/// Shards on several threads of the coordinator: the same bits on any number of them.
@Suite("Shard threads", .serialized)
struct ShardThreadsTests {
    static func threads(_ count: Int) -> [String] { ["--set", "cluster.shardThreads=\(count)"] }

    /// Several chunks, some milliseconds a step.
    static let short =
        ChaosTests.wide + ChaosTests.settings("model.depth=3", "training.steps=300", "training.checkpointEvery=20")

    /// Runs the program to its end and compares the run with the reference trainer's.
    private static func expectSame(
        _ reference: (bits: String, rows: [String]), _ directory: String, _ settings: [String],
        environment: [String: String] = [:]
    ) throws {
        let run = try ChaosTests.train(directory, settings, environment: environment)
        #expect(run.status == 0, "\(directory): \(run.errors)")
        #expect(run.json["weightsSHA256"] as? String == reference.bits, "\(directory)")
        #expect(try RunFolder(path: directory).lawfulRows() == reference.rows, "\(directory)")
    }

    @Test(
        "one weightsSHA256 on 1, 2 and 3 threads for 1 to 3 workers, through shared memory and tcp: the reference's",
        arguments: [["training.clip=1.0"], ["training.clip=none", "training.onNonFinite=continue"]])
    func sameBits(training: [String]) throws {
        try Program.inTemporaryFolder { folder in
            let settings = ChaosTests.wide + (training + ["training.steps=30"]).flatMap { ["--set", $0] }
            let reference = try ChaosTests.reference(folder, settings)
            var runs: [String] = []
            for threads in 1...3 {
                for workers in 1...3 {
                    for payloads in ["auto", "tcp"] {
                        let directory = "\(folder)/\(threads)-\(workers)-\(payloads)"
                        try Self.expectSame(
                            reference, directory,
                            settings + Self.threads(threads)
                                + ChaosTests.settings("cluster.workers=\(workers)", "cluster.payloads=\(payloads)"))
                        let times = "FROM worker_timings WHERE compute_seconds > 0 AND wait_seconds >= 0"
                        #expect(try RunFolder(path: directory).numbers("SELECT COUNT(DISTINCT worker) \(times)") == [workers])
                        runs.append(directory)
                    }
                }
            }
            ChaosTests.expectNothingLeft(in: folder, runs: runs)
        }
    }

    @Test("more threads than chunks are as many as chunks, and the log says so")
    func moreThanChunks() throws {
        try Program.inTemporaryFolder { folder in
            let settings = ChaosTests.narrow + ["--set", "training.steps=20"]
            let reference = try ChaosTests.reference(folder, settings)
            try Self.expectSame(reference, "\(folder)/run", settings + Self.threads(64))
            #expect(RunFolder(path: "\(folder)/run").log.contains("fewer chunks than shard threads"))
        }
    }

    @Test("state blocks and every probe round have the rows of one process", arguments: [2, 3])
    func probes(threads: Int) throws {
        try Program.inTemporaryFolder { folder in
            let settings =
                Self.short
                + ChaosTests.settings(
                    "training.steps=20", "training.checkpointEvery=10", "model.path={family: spectral-norm}",
                    "diagnostics.every=10", "diagnostics.select=[all]", "diagnostics.probeExamples=8",
                    "diagnostics.lanczosRuns=1", "diagnostics.lanczosSteps=3")
            let reference = try ChaosTests.reference(folder, settings)
            #expect(try !RunFolder(path: "\(folder)/reference").rows("layer_diagnostics").filter { $0.contains("D14") }.isEmpty)
            let several = settings + Self.threads(threads) + ["--set", "cluster.workers=3"]
            for (name, environment) in [
                ("calm", [:]), ("probe", ["PLUMB_FAILPOINT": "worker-2:probe:10"]),
                ("end", ["PLUMB_FAILPOINT": "worker-1:probe:20"]),
            ] {
                try Self.expectSame(reference, "\(folder)/\(name)", several, environment: environment)
            }
        }
    }

    @Test("a worker that is killed in hello, computing, pushing, receiving or at a snapshot changes no bit", arguments: [2, 3])
    func workerKills(threads: Int) throws {
        try Program.inTemporaryFolder { folder in
            let reference = try ChaosTests.reference(folder, ChaosTests.wide)
            var (runs, lost): ([String], Int) = ([], 0)
            for (number, point) in ["hello", "compute", "push", "receive", "snapshot"].enumerated() {
                for attempt in 0..<2 {
                    let step = point == "hello" ? 0 : point == "snapshot" ? 20 * (attempt + 2) : 3 + 61 * attempt + number
                    let directory = "\(folder)/\(point)-\(attempt)"
                    try Self.expectSame(
                        reference, directory,
                        ChaosTests.wide + Self.threads(threads)
                            + ChaosTests.settings("cluster.workers=3", "cluster.payloads=\(attempt == 0 ? "auto" : "tcp")"),
                        environment: ["PLUMB_FAILPOINT": "worker-\(number % 3 + 1):\(point):\(step)"])
                    let losses = "SELECT COUNT(*) FROM membership WHERE change != 'joined'"
                    lost += try RunFolder(path: directory).numbers(losses).first ?? 0
                    runs.append(directory)
                }
            }
            #expect(lost >= 8, "\(lost) of 10 workers were lost after they had joined")
            ChaosTests.expectNothingLeft(in: folder, runs: runs)
        }
    }

    @Test("a run that is killed or stopped goes on with another number of threads, and with the same bits")
    func resumes() throws {
        try Program.inTemporaryFolder { folder in
            let reference = try ChaosTests.reference(folder, Self.short)
            var runs: [String] = []
            for (attempt, (before, after)) in [(1, 3), (3, 2), (2, 1), (3, 1)].enumerated() {
                let directory = "\(folder)/\(before)-\(after)"
                let run = RunFolder(path: directory)
                let (process, _, errors) = try ChaosTests.start(directory, Self.short + Self.threads(before))
                #expect(Program.wait(30) { run.lastStep ?? 0 > 60 })
                if attempt.isMultiple(of: 2) {
                    kill(process.processIdentifier, SIGKILL)
                    process.waitUntilExit()
                } else {
                    try ChaosTests.interrupt(process, errors)
                }
                let resumed = try Program.run(["train", "--resume", directory, "--json"] + Self.threads(after))
                #expect(resumed.status == 0 && resumed.json["weightsSHA256"] as? String == reference.bits, "\(resumed.errors)")
                #expect(try run.lawfulRows() == reference.rows)
                runs.append(directory)
            }
            ChaosTests.expectNothingLeft(in: folder, runs: runs)
        }
    }

    @Test("each thread listens at a port of its own; when every worker is lost all go back to the snapshot, and on with who comes")
    func rollback() throws {
        try Program.inTemporaryFolder { folder in
            let settings = Self.short + ChaosTests.settings("cluster.livenessSeconds=3")
            let reference = try ChaosTests.reference(folder, settings)
            let directory = "\(folder)/run"
            let run = RunFolder(path: directory)
            let (coordinator, endpoint, output) = try ChaosTests.coordinator(
                directory, settings + Self.threads(3) + ["--set", "cluster.workers=1"])
            #expect(Self.threadNames(coordinator).filter { $0.hasPrefix("plumb-shard") }.count == 3)
            let (first, _, _) = try Program.start(["worker", "--connect", endpoint, "--name", "first", "--quiet"])
            #expect(Program.wait(30) { run.lastStep ?? 0 > 50 })
            kill(first.processIdentifier, SIGKILL)
            first.waitUntilExit()
            #expect(Program.wait(20) { run.log.contains("\"change\":\"lost\"") })
            let others = try ["second", "third"].map {
                try Program.start(["worker", "--connect", endpoint, "--name", $0, "--quiet"]).0
            }
            let line = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            for process in [coordinator] + others { process.waitUntilExit() }
            #expect(Program.Outcome(status: 0, output: line, errors: "").json["weightsSHA256"] as? String == reference.bits)
            #expect(try run.lawfulRows() == reference.rows)
            #expect(try run.texts("SELECT kind FROM events").contains("rolled back"))
            ChaosTests.expectNothingLeft(in: folder, runs: [directory])
        }
    }

    private static func threadNames(_ process: Process) -> [String] {
        let tasks = "/proc/\(process.processIdentifier)/task"
        return ((try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? []).compactMap {
            try? String(contentsOfFile: "\(tasks)/\($0)/comm", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }

    @Test("ports that run out are told of before anything listens")
    func ports() throws {
        try Program.inTemporaryFolder { folder in
            let run = try Program.run(
                [
                    "coordinator", ProcessTests.digits, "--port", "0", "--data-port", "65534", "--run-dir", "\(folder)/run",
                ] + Self.short + Self.threads(3))
            #expect(run.status == 1 && run.errors.contains("3 shard threads take the ports from 65534 on"), "\(run.errors)")
        }
    }
}
