import Foundation
import ParameterServer
import Testing
import Transport

/// Real processes that are killed, stopped, cut off and lied to.
@Suite("Chaos", .serialized)
struct ChaosTests {
    /// Five chunks and more, some ten milliseconds a step.
    static let wide = settings(
        "training.steps=150", "training.checkpointEvery=20", "training.validateEvery=50", "model.width=256", "model.depth=6",
        "model.path.reflectors=128", "model.correction.rank=64", "diagnostics.every=50",
        "diagnostics.budget=none")
    /// Thousands of short steps.
    static let narrow = settings(
        "training.steps=1500", "training.checkpointEvery=50", "training.validateEvery=100", "model.width=32", "model.depth=4",
        "model.path.reflectors=8", "model.correction.rank=8", "diagnostics.every=100",
        "diagnostics.budget=none")

    static func settings(_ texts: String...) -> [String] { texts.flatMap { ["--set", $0] } }

    static func train(_ directory: String, _ more: [String], environment: [String: String] = [:]) throws -> Program.Outcome {
        try Program.run(["train", ProcessTests.digits, "--json", "--run-dir", directory] + more, environment: environment)
    }

    static func start(_ directory: String, _ more: [String]) throws -> (Process, Pipe, Pipe) {
        try Program.start(["train", ProcessTests.digits, "--json", "--run-dir", directory] + more)
    }

    static func reference(_ folder: String, _ settings: [String]) throws -> (bits: String, rows: [String]) {
        let run = try train("\(folder)/reference", settings + ["--reference"])
        return (try #require(run.json["weightsSHA256"] as? String), try RunFolder(path: "\(folder)/reference").lawfulRows())
    }

    /// Ends a run as Ctrl-C does; it says that a snapshot is kept.
    static func interrupt(_ process: Process, _ errors: Pipe) throws {
        process.interrupt()
        let messages = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 130 && messages.contains("is kept"), "\(messages)")
    }

    /// Nothing that ran in `folder` runs any more, and no run in it holds what ends with its coordinator.
    static func expectNothingLeft(in folder: String, runs: [String]) {
        #expect(Program.wait(3) { Program.processes(with: folder).isEmpty && Program.orphans.isEmpty }, "processes are left")
        for run in runs { #expect(RunFolder(path: run).leftovers == [], "\(run)") }
    }

    @Test("a worker that is killed in hello, computing, pushing, receiving or while a snapshot is taken changes no bit")
    func workerKills() throws {
        try Program.inTemporaryFolder { folder in
            let reference = try Self.reference(folder, Self.wide)
            var late = 0
            var runs: [String] = []
            for (number, point) in ["hello", "compute", "push", "receive", "snapshot"].enumerated() {
                for attempt in 0..<(point == "hello" ? 5 : point == "push" ? 7 : 6) {
                    let step = point == "hello" ? 0 : point == "snapshot" ? 20 * (attempt + 1) : 3 + 23 * attempt + number
                    let directory = "\(folder)/\(point)-\(attempt)"
                    let victim = "worker-\(attempt % 3 + 1)"
                    let run = try Self.train(
                        directory, Self.wide + ["--set", "cluster.workers=3"],
                        environment: ["PLUMB_FAILPOINT": "\(victim):\(point):\(step)"])
                    #expect(run.status == 0, "\(point) \(step): \(run.errors)")
                    #expect(run.json["weightsSHA256"] as? String == reference.bits, "\(point) \(step)")
                    let folder = RunFolder(path: directory)
                    #expect(try folder.lawfulRows() == reference.rows)
                    let gone = try folder.numbers("SELECT step FROM membership WHERE change != 'joined' AND worker = '\(victim)'")
                    late += gone.contains { $0 >= 1 } ? 1 : 0
                    if point != "hello" { #expect(gone.count == 1, "\(point) \(step)") }
                    runs.append(directory)
                }
            }
            #expect(late >= 25 && runs.count == 30)
            Self.expectNothingLeft(in: folder, runs: runs)
        }
    }

    @Test("a coordinator that is killed at any moment is resumed with the same bits, and replayed rows are the old ones")
    func coordinatorKills() throws {
        try Program.inTemporaryFolder { folder in
            let reference = try Self.reference(folder, Self.narrow)
            var runs: [String] = []
            for attempt in 0..<20 {
                let directory = "\(folder)/killed-\(attempt)"
                let (process, output, errors) = try Self.start(directory, Self.narrow + ["--set", "cluster.workers=2"])
                let target = attempt * 55 - 30
                let run = RunFolder(path: directory)
                #expect(
                    Program.wait(30) {
                        let begun = FileManager.default.fileExists(atPath: "\(directory)/experiment.yaml")
                        return begun && (target < 0 || run.lastStep ?? -1 >= target)
                    })
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
                _ = (output, errors)
                let resumed = try Program.run([
                    "train", "--resume", directory, "--json", "--set", "cluster.workers=\(1 + attempt % 3)",
                ])
                #expect(resumed.status == 0, "killed after step \(target): \(resumed.errors)")
                #expect(resumed.json["weightsSHA256"] as? String == reference.bits)
                #expect(try run.lawfulRows() == reference.rows)
                #expect(try run.numbers("SELECT SUM(microbatches) FROM contributions") == [1500 * 8])
                runs.append(directory)
            }
            Self.expectNothingLeft(in: folder, runs: runs)
        }
    }

    @Test("a damaged and a truncated snapshot are named and passed over")
    func damagedSnapshots() throws {
        try Program.inTemporaryFolder { folder in
            let reference = try Self.reference(folder, Self.narrow)
            let directory = "\(folder)/run"
            let (process, _, _) = try Self.start(directory, Self.narrow)
            #expect(Program.wait(30) { RunFolder(path: directory).lastStep ?? 0 > 400 })
            process.interrupt()
            process.waitUntilExit()
            #expect(process.terminationStatus == 130)
            let names = try FileManager.default.contentsOfDirectory(atPath: "\(directory)/checkpoints")
                .filter { $0.hasPrefix("step-") && $0.hasSuffix(".safetensors") }.sorted()
            #expect(names.count == 3)
            let newest = try #require(names.last), before = names[names.count - 2]
            var bytes = try Data(contentsOf: URL(filePath: "\(directory)/checkpoints/\(newest)"))
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: URL(filePath: "\(directory)/checkpoints/\(newest)"))
            unsafe truncate("\(directory)/checkpoints/\(before)", 1000)
            let resumed = try Program.run(["train", "--resume", directory, "--json"])
            #expect(resumed.status == 0 && resumed.json["weightsSHA256"] as? String == reference.bits)
            #expect(resumed.errors.contains(newest) && resumed.errors.contains(before), "\(resumed.errors)")
            Self.expectNothingLeft(in: folder, runs: [directory])
        }
    }

    @Test("a full disk stops no training: the run says so, and its record is whole once there is space again")
    func fullDisk() throws {
        try Program.inTemporaryFolder { folder in
            let probe = try Self.shell("unshare --user --map-root-user --mount sh -c 'mount -t tmpfs -o size=64k t \(folder)'")
            guard probe == 0 else { return print("skipped: no user namespace may mount a tmpfs here") }
            let reference = try Self.reference(folder, Self.narrow)
            let script = """
                mount -t tmpfs -o size=32m t "$1"/disk && cd "$1"/disk || exit 99
                "$2" train "$3" --json --run-dir "$1"/disk/run $4 > "$1"/out 2> "$1"/err & job=$!
                until [ -s run/run.sqlite ]; do sleep 0.05; done
                dd if=/dev/zero of=ballast bs=4k > "$1"/dd 2>&1
                sleep 1.5; rm ballast
                wait $job; code=$?
                cp -r run "$1"/kept; exit $code
                """
            try FileManager.default.createDirectory(atPath: "\(folder)/disk", withIntermediateDirectories: true)
            let slow = Self.narrow.map { $0 == "training.steps=1500" ? "training.steps=6000" : $0 }
            let settings = slow.joined(separator: " ")
            let code = try Self.shell(
                "unshare --user --map-root-user --mount sh -c '\(script)' sh \(folder) \(Program.executable.path) \(ProcessTests.digits) '\(settings)'"
            )
            let errors = (try? String(contentsOfFile: "\(folder)/err", encoding: .utf8)) ?? ""
            #expect(code == 0, "\(errors)")
            let again = try Self.train("\(folder)/again", slow + ["--reference"])
            let kept = RunFolder(path: "\(folder)/kept")
            #expect(errors.contains("No space left") || kept.log.contains("No space left") || errors.contains("full"), "\(errors)")
            #expect(try kept.lawfulRows() == RunFolder(path: "\(folder)/again").lawfulRows())
            let output = try String(contentsOfFile: "\(folder)/out", encoding: .utf8)
            #expect(
                Program.Outcome(status: 0, output: output, errors: "").json["weightsSHA256"] as? String == again.json[
                    "weightsSHA256"] as? String)
            _ = reference
            Self.expectNothingLeft(in: folder, runs: ["\(folder)/kept"])
        }
    }

    @Test("SIGTERM to every process at once, as service managers send it, ends with a snapshot; a second signal ends at once")
    func signals() throws {
        try Program.inTemporaryFolder { folder in
            let settings = Self.narrow.map { $0 == "training.steps=1500" ? "training.steps=100000" : $0 }
            let directory = "\(folder)/run"
            let (process, _, errors) = try Self.start(directory, settings + ["--set", "cluster.workers=2"])
            #expect(Program.wait(30) { RunFolder(path: directory).lastStep ?? 0 > 100 })
            let workers = Program.processes(with: "--end-with-stdin").filter { Program.parent(of: $0) == process.processIdentifier }
            #expect(workers.count == 2)
            for id in workers + [process.processIdentifier] { kill(id, SIGTERM) }
            let text = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 130 && text.contains("is kept, go on with --resume"), "\(text.suffix(500))")
            Self.expectNothingLeft(in: folder, runs: [directory])

            let twice = "\(folder)/twice"
            let (second, _, _) = try Self.start(twice, settings + ["--set", "cluster.workers=2"])
            #expect(Program.wait(30) { RunFolder(path: twice).lastStep ?? 0 > 100 })
            let begun = Program.processes(with: "--end-with-stdin").filter { Program.parent(of: $0) == second.processIdentifier }
            // Workers that stand still keep the first signal's snapshot from being taken.
            for id in begun { kill(id, SIGSTOP) }
            second.interrupt()
            // Two signals at the same moment would arrive as one.
            usleep(300_000)
            second.interrupt()
            #expect(Program.wait(2) { !second.isRunning }, "it ends at once")
            for id in begun { kill(id, SIGCONT) }
            second.waitUntilExit()
            #expect(second.terminationReason == .exit && second.terminationStatus == 130)
            Self.expectNothingLeft(in: folder, runs: [twice])
        }
    }

    @Test("when every worker is lost the next one goes on from the last snapshot, with the same bits")
    func allWorkersLost() throws {
        try Program.inTemporaryFolder { folder in
            // Every snapshot is of a version that is also validated and examined: its rows are taken out and must come again.
            let settings =
                Self.narrow.map { $0 == "training.steps=1500" ? "training.steps=4000" : $0 }
                + Self.settings("training.checkpointEvery=100", "cluster.livenessSeconds=3")
            let reference = try Self.reference(folder, settings)
            let directory = "\(folder)/run"
            let (coordinator, endpoint, output) = try Self.coordinator(directory, settings + ["--set", "cluster.workers=1"])
            let (first, _, _) = try Program.start(["worker", "--connect", endpoint, "--name", "first", "--quiet"])
            #expect(Program.wait(30) { RunFolder(path: directory).lastStep ?? 0 > 300 })
            kill(first.processIdentifier, SIGKILL)
            first.waitUntilExit()
            #expect(Program.wait(20) { RunFolder(path: directory).log.contains("\"change\":\"lost\"") })
            let (second, _, _) = try Program.start(["worker", "--connect", endpoint, "--name", "second", "--quiet"])
            let line = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            for process in [coordinator, second] { process.waitUntilExit() }
            #expect(coordinator.terminationStatus == 0 && second.terminationStatus == 0)
            #expect(Program.Outcome(status: 0, output: line, errors: "").json["weightsSHA256"] as? String == reference.bits)
            let run = RunFolder(path: directory)
            #expect(try run.lawfulRows() == reference.rows)
            #expect(try run.texts("SELECT kind FROM events").contains("rolled back"))
            Self.expectNothingLeft(in: folder, runs: [directory])
        }
    }

    @Test("a worker that joins a run of one takes part within two steps")
    func lateJoin() throws {
        try Program.inTemporaryFolder { folder in
            let settings = Self.wide.map { $0 == "training.steps=150" ? "training.steps=300" : $0 }
            let reference = try Self.reference(folder, settings)
            let directory = "\(folder)/run"
            let (coordinator, endpoint, output) = try Self.coordinator(directory, settings + ["--set", "cluster.workers=1"])
            let (first, _, _) = try Program.start(["worker", "--connect", endpoint, "--name", "first", "--quiet"])
            #expect(Program.wait(60) { RunFolder(path: directory).lastStep ?? 0 >= 60 })
            let (second, _, _) = try Program.start(["worker", "--connect", endpoint, "--name", "second", "--quiet"])
            let line = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            for process in [coordinator, first, second] { process.waitUntilExit() }
            #expect(Program.Outcome(status: 0, output: line, errors: "").json["weightsSHA256"] as? String == reference.bits)
            let run = RunFolder(path: directory)
            let joined = try #require(
                try run.numbers("SELECT step FROM membership WHERE worker = 'second' AND change = 'joined'").first)
            let counts = try #require(try run.numbers("SELECT MIN(step) FROM contributions WHERE worker = 'second'").first)
            #expect((60..<250).contains(joined) && counts <= joined + 2, "joined at \(joined), first counted at \(counts)")
            print("a worker joined at step \(joined) and first counted at step \(counts)")
            Self.expectNothingLeft(in: folder, runs: [directory])
        }
    }

    @Test("bytes that mean nothing, on both sockets, are dropped and the run goes on")
    func garbage() throws {
        try Program.inTemporaryFolder { folder in
            let settings = Self.narrow.map { $0 == "training.steps=1500" ? "training.steps=6000" : $0 }
            let reference = try Self.reference(folder, settings)
            let directory = "\(folder)/run"
            let (coordinator, endpoint, output) = try Self.coordinator(directory, settings + ["--set", "cluster.workers=1"])
            let (worker, _, _) = try Program.start(["worker", "--connect", endpoint, "--quiet"])
            let run = RunFolder(path: directory)
            #expect(Program.wait(30) { run.lastStep ?? 0 > 50 })
            var rogue = Rogue()
            let data = try #require(try rogue.harass(control: try Endpoint(parsing: endpoint)), "a good hello is welcomed")
            try rogue.harass(data: data, around: Step(run.lastStep ?? 0))
            for port in [try Endpoint(parsing: endpoint).port, data.port] {
                for _ in 0..<10 {
                    _ = try Self.shell(
                        "head -c 20000 /dev/urandom | timeout 2 bash -c 'cat > /dev/tcp/127.0.0.1/\(port)' 2> /dev/null")
                }
            }
            #expect(run.lastStep ?? 6000 < 5900, "the run was still going on")
            let line = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            for process in [coordinator, worker] { process.waitUntilExit() }
            #expect(Program.Outcome(status: 0, output: line, errors: "").json["weightsSHA256"] as? String == reference.bits)
            #expect(try run.lawfulRows() == reference.rows)
            #expect(run.log.contains("no member of this run") && run.log.contains("dropped a control message"))
            Self.expectNothingLeft(in: folder, runs: [directory])
        }
    }

    /// A coordinator by hand, and where it listens. Its messages go on into nothing.
    static func coordinator(_ directory: String, _ more: [String], on prefix: [String] = []) throws -> (
        Process, endpoint: String, output: Pipe
    ) {
        let (process, output, errors) = try Program.start(
            ["coordinator", ProcessTests.digits, "--port", "0", "--json", "--run-dir", directory] + more, through: prefix)
        var text = ""
        while !(text.contains("--connect ") && text.hasSuffix("\n")), let data = try errors.fileHandleForReading.read(upToCount: 1),
            !data.isEmpty
        {
            text += String(decoding: data, as: UTF8.self)
        }
        errors.fileHandleForReading.readabilityHandler = { _ = $0.availableData }
        let endpoint = text.split(separator: "--connect ").last?.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
        return (process, endpoint, output)
    }

    static func shell(_ command: String) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", command]
        (process.standardInput, process.standardOutput) = (FileHandle.nullDevice, FileHandle.nullDevice)
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }
}

/// Processes that stand still; most of the time nothing runs.
@Suite("Processes that are stopped")
struct StoppedProcessTests {
    @Test("a stalled worker is named within two heartbeats, training goes on, and it rejoins when it wakes")
    func stalledWorker() throws {
        try Program.inTemporaryFolder { folder in
            let settings = ChaosTests.narrow.map { $0 == "training.steps=1500" ? "training.steps=60000" : $0 }
            let directory = "\(folder)/run"
            let (process, _, errors) = try ChaosTests.start(
                directory, settings + ["--set", "cluster.workers=2", "--set", "cluster.livenessSeconds=3"])
            errors.fileHandleForReading.readabilityHandler = { _ = $0.availableData }
            let run = RunFolder(path: directory)
            #expect(Program.wait(30) { run.lastStep ?? 0 > 50 })
            let victim = try #require(
                Program.processes(with: "worker-2\0").first {
                    Program.processes(with: "--end-with-stdin").contains($0) && Program.parent(of: $0) == process.processIdentifier
                })
            kill(victim, SIGSTOP)
            let stopped = ContinuousClock.now
            #expect(Program.wait(2.1) { run.log.contains("a worker is silent") })
            let named = ContinuousClock.now - stopped
            #expect(named <= .seconds(2.05), "named after \(named)")
            #expect(Program.wait(10) { run.log.contains("\"change\":\"lost\"") })
            let before = run.lastStep ?? 0
            #expect(Program.wait(10) { run.lastStep ?? 0 > before + 20 })
            while ContinuousClock.now - stopped < .seconds(10) { usleep(100_000) }
            kill(victim, SIGCONT)
            let woken = run.lastStep ?? 0
            #expect(
                Program.wait(20) {
                    (try? run.numbers("SELECT COUNT(*) FROM contributions WHERE worker = 'worker-2' AND step > \(woken)").first ?? 0)
                        ?? 0 > 0
                })
            process.interrupt()
            process.waitUntilExit()
            #expect(process.terminationStatus == 130)
            ChaosTests.expectNothingLeft(in: folder, runs: [directory])
        }
    }

    @Test("nobody is lost while the coordinator stands still for a minute, longer than every deadline")
    func stoppedCoordinator() throws {
        try Program.inTemporaryFolder { folder in
            let directory = "\(folder)/run"
            let settings = ChaosTests.narrow.map { $0 == "training.steps=1500" ? "training.steps=100000" : $0 }
            let (coordinator, endpoint, output) = try ChaosTests.coordinator(directory, settings + ["--set", "cluster.workers=2"])
            let workers = try (1...2).map { try Program.start(["worker", "--connect", endpoint, "--name", "w\($0)", "--quiet"]).0 }
            let run = RunFolder(path: directory)
            #expect(Program.wait(30) { run.lastStep ?? 0 > 50 })
            kill(coordinator.processIdentifier, SIGSTOP)
            // Longer than every deadline there is.
            sleep(60)
            kill(coordinator.processIdentifier, SIGCONT)
            let before = run.lastStep ?? 0
            #expect(Program.wait(20) { run.lastStep ?? 0 > before + 50 })
            // A loss that the pause caused might be declared a little later.
            sleep(3)
            #expect(try run.texts("SELECT change FROM membership") == ["joined", "joined"], "\(run.log.suffix(2000))")
            coordinator.interrupt()
            _ = try output.fileHandleForReading.readToEnd()
            coordinator.waitUntilExit()
            for worker in workers { worker.waitUntilExit() }
            #expect(coordinator.terminationStatus == 130)
            ChaosTests.expectNothingLeft(in: folder, runs: [directory])
        }
    }
}
