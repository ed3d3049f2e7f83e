import Foundation
import RunStore
import Testing

@Suite("The program", .serialized)
struct ProcessTests {
    static let small = [
        "--set", "training.steps=40", "--set", "model.width=32", "--set", "model.depth=4", "--set", "model.path.reflectors=8",
        "--set", "model.correction.rank=8", "--set", "diagnostics.every=20", "--set", "training.validateEvery=20",
    ]
    static let digits = Program.root.appending(path: "examples/digits.yaml").path

    static func train(_ folder: String, _ more: [String]) throws -> Program.Outcome {
        try Program.run(["train", digits, "--json", "--run-dir", "\(folder)/run-\(UUID().uuidString)"] + small + more)
    }

    @Test("one weightsSHA256 on 1, 2, 3 and 5 workers and from the reference trainer; nobody is idle")
    func sameBits() throws {
        try Program.inTemporaryFolder { folder in
            let reference = try Self.train(folder, ["--reference"])
            #expect(reference.status == 0, "\(reference.errors)")
            for workers in [1, 2, 3, 5] {
                let run = try Self.train(folder, ["--set", "cluster.workers=\(workers)"])
                #expect(run.status == 0, "\(run.errors)")
                #expect(run.json["weightsSHA256"] as? String == reference.json["weightsSHA256"] as? String)
                #expect(run.json["testLoss"] as? Double == reference.json["testLoss"] as? Double)
                let shares = run.json["microbatchesPerWorker"] as? [String: Int] ?? [:]
                #expect(shares.count == workers && shares.values.reduce(0, +) == 40 * 8 && shares.values.allSatisfy { $0 > 0 })
            }
        }
    }

    @Test("a coordinator and workers started by hand give the same bits")
    func byHand() throws {
        try Program.inTemporaryFolder { folder in
            let reference = try Self.train(folder, ["--reference"])
            let (coordinator, output, errors) = try Program.start(
                ["coordinator", Self.digits, "--port", "0", "--json", "--run-dir", "\(folder)/run"] + Self.small)
            var text = ""
            while !text.contains("--connect "), let data = try errors.fileHandleForReading.read(upToCount: 1) {
                text += String(decoding: data, as: UTF8.self)
            }
            while !text.hasSuffix("\n"), let data = try errors.fileHandleForReading.read(upToCount: 1) {
                text += String(decoding: data, as: UTF8.self)
            }
            let endpoint = String(text.split(separator: " ").last ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
            let workers = try (0..<2).map { _ in try Program.start(["worker", "--connect", endpoint, "--quiet"]) }
            let line = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            coordinator.waitUntilExit()
            for worker in workers { worker.0.waitUntilExit() }
            #expect(coordinator.terminationStatus == 0 && workers.allSatisfy { $0.0.terminationStatus == 0 })
            let outcome = Program.Outcome(status: 0, output: line, errors: "")
            #expect(outcome.json["weightsSHA256"] as? String == reference.json["weightsSHA256"] as? String)
        }
    }

    @Test("a killed worker is named, its partitions move, and the bits stay the same")
    func killedWorker() throws {
        try Program.inTemporaryFolder { folder in
            let steps = ["--set", "training.steps=1500", "--set", "training.validateEvery=0"]
            let reference = try Self.train(folder, steps + ["--reference"])
            let directory = "\(folder)/killed"
            let (process, output, errors) = try Program.start(
                ["train", Self.digits, "--json", "--run-dir", directory] + Self.small + steps + ["--set", "cluster.workers=3"])
            let name = "worker-2\0"
            #expect(
                Program.wait(20) {
                    (try? String(contentsOfFile: "\(directory)/log.jsonl", encoding: .utf8))?.contains("\"members\":\"3\"") ?? false
                })
            for id in Program.processes(with: name) where Program.isChild(id, of: process) {
                kill(id, SIGKILL)
            }
            let line = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            let messages = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0, "\(messages)")
            #expect(messages.contains("worker-2 is gone") && messages.contains("signal 9"))
            let outcome = Program.Outcome(status: 0, output: line, errors: "")
            #expect(outcome.json["weightsSHA256"] as? String == reference.json["weightsSHA256"] as? String)
        }
    }

    @Test("kill -9 of train takes its workers along")
    func orphans() throws {
        try Program.inTemporaryFolder { folder in
            let (process, _, _) = try Program.start(
                ["train", Self.digits, "--run-dir", "\(folder)/run"] + Self.small + ["--set", "training.steps=100000"])
            func workers() -> [Int32] {
                Program.processes(with: "--end-with-stdin").filter { Program.isChild($0, of: process) }
            }
            #expect(Program.wait(20) { workers().count == 2 })
            let ids = workers()
            kill(process.processIdentifier, SIGKILL)
            // On a free machine it takes a fraction of a second; a busy one must not fail the test.
            #expect(Program.wait(10) { ids.allSatisfy { kill($0, 0) != 0 } })
        }
    }

    @Test("workers with other OpenBLAS kernels are refused, both names said")
    func otherKernels() throws {
        try Program.inTemporaryFolder { folder in
            let (coordinator, _, errors) = try Program.start(
                ["coordinator", Self.digits, "--port", "0", "--run-dir", "\(folder)/run"] + Self.small,
                environment: ["OPENBLAS_CORETYPE": "Haswell"])
            defer {
                coordinator.terminate()
                coordinator.waitUntilExit()
            }
            var text = ""
            while !text.contains("--connect "), let data = try errors.fileHandleForReading.read(upToCount: 1) {
                text += String(decoding: data, as: UTF8.self)
            }
            while !text.hasSuffix("\n"), let data = try errors.fileHandleForReading.read(upToCount: 1) {
                text += String(decoding: data, as: UTF8.self)
            }
            let endpoint = String(text.split(separator: " ").last ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
            let worker = try Program.run(["worker", "--connect", endpoint], environment: ["OPENBLAS_CORETYPE": "Sandybridge"])
            #expect(worker.status == 3)
            #expect(worker.errors.contains("Sandybridge") && worker.errors.contains("Haswell"))
        }
    }

    @Test("Ctrl-C ends a run with status 130 and leaves no worker")
    func interrupted() throws {
        try Program.inTemporaryFolder { folder in
            let directory = "\(folder)/run"
            let (process, _, _) = try Program.start(
                ["train", Self.digits, "--run-dir", directory] + Self.small + ["--set", "training.steps=100000"])
            #expect(
                Program.wait(20) {
                    (try? String(contentsOfFile: "\(directory)/log.jsonl", encoding: .utf8))?.contains("\"members\":\"2\"") ?? false
                })
            process.interrupt()
            process.waitUntilExit()
            #expect(process.terminationStatus == 130)
        }
    }

    @Test(
        "bad input: status 3, one sentence, no trace",
        arguments: [
            (["train", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
            (["train", "DIGITS", "--set", "training.batch=250"], "must be divisible by training.partitions"),
            (["train", "DIGITS", "--set", "modle.width=3"], "modle is not a known key"),
            (["train", "DIGITS", "--set", "model.path.reflectors=999"], "model.path.reflectors: got 999"),
            (
                ["train", "DIGITS", "--set", "data.source=csv", "--set", "data.file=missing.csv"],
                "missing.csv: there is no such file"
            ),
            (["coordinator", "DIGITS", "--bind", "0.0.0.0"], "--insecure"),
            (["inspect", "missing.safetensors"], "cannot be opened"),
        ])
    func badInput(arguments: [String], message: String) throws {
        let outcome = try Program.run(arguments.map { $0 == "DIGITS" ? Self.digits : $0 })
        #expect(outcome.status == 3)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1 && outcome.output.isEmpty)
    }

    @Test(
        "a layer that cannot be: status 3, the key, the value and what is allowed",
        arguments: [
            (
                "{ family: identity }, correction: { kind: none, cap: 0.5 }",
                "model.correction.cap: got 0.5, expected no cap, as the layer has no correction; model.correction.kind could be one of "
            ),
            (
                "{ family: identity }, correction: { kind: bottleneck, rank: 17 }",
                "model.correction.rank: got 17, expected 1…16, the width"
            ),
            ("{ family: householder, reflectors: 17 }", "model.path.reflectors: got 17, expected 1…16, the width"),
            ("{ family: diagonal-low-rank, rank: 17 }", "model.path.rank: got 17, expected 0…16, the width"),
            ("{ family: block-diagonal, blocks: 3 }", "model.path.blocks: got 3, expected one of 1, 2, 4, 8, 16, the divisors of"),
            ("{ family: kronecker, rows: 5 }", "model.path.rows: got 5, expected one of 1, 2, 4, 8, 16, the divisors of"),
            ("{ family: monarch, blocks: 8 }", "model.path.blocks: got 8, expected one of 2, 4, the numbers whose squares divide"),
            (
                "{ family: block-tensor-train, inputBlocks: 3 }",
                "model.path.inputBlocks: got 3, expected one of 1, 2, 4, 8, 16, the divisors of"
            ),
        ])
    func impossibleLayer(path: String, message: String) throws {
        try Program.inTemporaryFolder { folder in
            let file = "\(folder)/impossible.yaml"
            try "data: { source: spirals }\nmodel: { width: 16, depth: 2, path: \(path) }"
                .write(toFile: file, atomically: true, encoding: .utf8)
            let outcome = try Program.run(["train", file, "--run-dir", "\(folder)/run"])
            #expect(outcome.status == 3 && outcome.output.isEmpty)
            #expect(outcome.errors.contains(message), "\(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1)
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/run"), "nothing is begun")
        }
    }

    @Test(
        "a run's experiment.yaml has every default of its layers, as have its checkpoints; trained again, it gives the same bits"
    )
    func resolvedExperiment() throws {
        try Program.inTemporaryFolder { folder in
            let run = try Self.train(folder, ["--set", "cluster.workers=2"])
            let directory = try #require(run.json["runDirectory"] as? String)
            let text = try String(contentsOfFile: "\(directory)/experiment.yaml", encoding: .utf8)
            for line in ["mixing: true", "trained: true", "mix: sum", "outputClip: none"] {
                #expect(text.contains("    \(line)\n"), "\(line) is missing in \(text)")
            }
            let file = try SafetensorsFile("\(directory)/checkpoints/best.safetensors")
            #expect(file.metadata["experiment"] == text)
            let again = try Program.run(["train", "\(directory)/experiment.yaml", "--json", "--run-dir", "\(folder)/again"])
            #expect(again.json["weightsSHA256"] as? String == run.json["weightsSHA256"] as? String, "\(again.errors)")
            #expect(try String(contentsOfFile: "\(folder)/again/experiment.yaml", encoding: .utf8) == text)
        }
    }

    @Test("a port in use: status 1 and the remedy")
    func portInUse() throws {
        try Program.inTemporaryFolder { folder in
            let (first, _, errors) = try Program.start(
                ["coordinator", Self.digits, "--port", "0", "--run-dir", "\(folder)/a"] + Self.small)
            defer {
                first.terminate()
                first.waitUntilExit()
            }
            var text = ""
            while !text.contains("--connect "), let data = try errors.fileHandleForReading.read(upToCount: 1) {
                text += String(decoding: data, as: UTF8.self)
            }
            while !text.hasSuffix("\n"), let data = try errors.fileHandleForReading.read(upToCount: 1) {
                text += String(decoding: data, as: UTF8.self)
            }
            let port = text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: ":").last.map(String.init) ?? ""
            let second = try Program.run(["coordinator", Self.digits, "--port", port, "--run-dir", "\(folder)/b"] + Self.small)
            #expect(second.status == 1 && second.errors.contains("port \(port) on 127.0.0.1 is taken"))
        }
    }

    @Test("a checkpoint is inspected and evaluated; the examples can be read")
    func checkpoints() throws {
        try Program.inTemporaryFolder { folder in
            let run = try Self.train(folder, ["--reference"])
            let directory = try #require(run.json["runDirectory"] as? String)
            let seen = try Program.run(["inspect", directory, "--json"])
            #expect(seen.status == 0 && (seen.json["layers"] as? [Any])?.isEmpty == false, "a run's directory shows the run")
            let saved = try FileManager.default.contentsOfDirectory(atPath: "\(directory)/checkpoints")
            let checkpoint = "\(directory)/checkpoints/\(try #require(saved.filter { $0.hasSuffix("safetensors") }.max()))"
            let inspected = try Program.run(["inspect", checkpoint, "--json"])
            let tensors = inspected.json["tensors"] as? [[String: Any]] ?? []
            #expect(inspected.status == 0 && tensors.contains { $0["name"] as? String == "layers.0.path.reflectors" })
            #expect(tensors.allSatisfy { ($0["singularValues"] as? [Any])?.isEmpty == false })
            let evaluated = try Program.run(["evaluate", directory, "--json"])
            let test = evaluated.json["test"] as? [String: Any]
            #expect(test?["accuracy"] as? Double == run.json["testAccuracy"] as? Double)
            for example in ["spirals", "digits"] {
                let path = Program.root.appending(path: "examples/\(example).yaml").path
                #expect(try Program.run(["data", path]).status == 0)
            }
            #expect(try Program.run(["init", "\(folder)/new.yaml"]).status == 0)
            #expect(try Program.run(["data", "\(folder)/new.yaml"]).status == 0)
            #expect(try Program.run(["doctor"]).status == 0)
        }
    }

    static let exampleNames = [
        "digits", "spirals", "mnist", "fashion-mnist", "relu-mlp", "tanh-mlp", "tanh-orthogonal", "residual", "residual-sqrt",
        "rezero", "roaf", "families/householder", "families/kronecker", "families/block-diagonal", "families/monarch",
        "families/block-tensor-train", "families/diagonal-low-rank", "families/bounded-svd", "families/spectral-norm",
        "families/cayley", "families/skew-euler", "families/gradient-flow",
    ]

    @Test("every example trains", arguments: exampleNames)
    func examples(name: String) throws {
        try Program.inTemporaryFolder { folder in
            func idx(_ sizes: [UInt8], _ data: [UInt8], _ name: String) throws -> String {
                let header: [UInt8] = [0, 0, 8, UInt8(sizes.count)] + sizes.flatMap { size -> [UInt8] in [0, 0, 0, size] }
                try Data(header + data).write(to: URL(filePath: "\(folder)/\(name)"))
                return "\(folder)/\(name)"
            }
            var more: [String] = []
            if name.hasSuffix("mnist") {
                let pixels = (0..<60 * 784).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                let images = try idx([60, 28, 28], pixels, "images")
                let labels = try idx([60], (0..<60).map { UInt8($0 % 10) }, "labels")
                more = ["--set", "data.images=\(images)", "--set", "data.labels=\(labels)", "--set", "data.validation=10"]
                if name == "mnist" { more += ["--set", "data.test=10"] }
                if name == "fashion-mnist" { more += ["--set", "data.testImages=\(images)", "--set", "data.testLabels=\(labels)"] }
            }
            let example = Program.root.appending(path: "examples/\(name).yaml").path
            let run = try Program.run(
                ["train", example, "--json", "--run-dir", "\(folder)/run", "--set", "training.steps=3"] + more)
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.json["steps"] as? Int == 3 && run.json["testAccuracy"] is Double)
        }
    }

    @Test("a simulated seed is the same in every process: what it prints to see a failure again shows it again")
    func simulationReplays() throws {
        let runs = try (0..<2).map { _ in
            try Program.run(["simulate", "--faults", "--first", "1000", "--seeds", "40", "--threads", "2", "--json"])
        }
        #expect(runs.allSatisfy { $0.status == 0 })
        let events = runs.compactMap { $0.json["events"] as? Int }
        #expect(events.count == 2 && events[0] == events[1] && events[0] > 1000, "\(events)")
    }
}
