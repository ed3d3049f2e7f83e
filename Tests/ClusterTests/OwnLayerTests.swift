import Foundation
import Testing

/// The program of `examples/own-layer`: plumb's command line with a family that plumb does not have.
@Suite("A program with a layer family of its own", .serialized)
struct OwnLayerTests {
    static let givens = Program.root.appending(path: "examples/own-layer/givens.yaml").path
    static let small = [
        "--set", "training.steps=30", "--set", "model.width=32", "--set", "model.depth=3", "--set", "diagnostics.every=15",
    ]

    static func ownLayer(_ arguments: [String]) throws -> Program.Outcome { try Program.run(arguments, program: "own-layer") }

    @Test("is its own worker: one weightsSHA256 on 1 and 3 workers and from the reference trainer")
    func sameBits() throws {
        try Program.inTemporaryFolder { folder in
            func train(_ name: String, _ more: [String]) throws -> Program.Outcome {
                try Self.ownLayer(["train", Self.givens, "--json", "--run-dir", "\(folder)/\(name)"] + Self.small + more)
            }
            let reference = try train("reference", ["--reference"])
            #expect(reference.status == 0, "\(reference.errors)")
            let digest = try #require(reference.json["weightsSHA256"] as? String)
            for workers in [1, 3] {
                let run = try train("run-\(workers)", ["--set", "cluster.workers=\(workers)"])
                #expect(run.status == 0, "\(run.errors)")
                #expect(run.json["weightsSHA256"] as? String == digest)
            }
            let evaluated = try Self.ownLayer(["evaluate", "\(folder)/run-3", "--json"])
            #expect(evaluated.status == 0 && evaluated.json["test"] != nil, "\(evaluated.errors)")
            let resumed = try Self.ownLayer(["train", "--resume", "\(folder)/run-3"])
            #expect(resumed.errors.hasPrefix("own-layer: ") && resumed.errors.contains("nothing to resume"), "\(resumed.errors)")
        }
    }

    @Test("plumb itself refuses the family and says which it has")
    func unknown() throws {
        let outcome = try Program.run(["train", Self.givens])
        #expect(outcome.status == 3)
        #expect(outcome.errors.contains("model.path.family: got givens, expected one of "))
    }

    @Test("a worker without the family leaves with the reason, and the coordinator records it")
    func wrongWorker() throws {
        try Program.inTemporaryFolder { folder in
            let (coordinator, _, errors) = try Program.start(
                ["coordinator", Self.givens, "--port", "0", "--run-dir", "\(folder)/run", "--set", "cluster.workers=1"]
                    + Self.small,
                program: "own-layer")
            var text = ""
            while !text.contains("own-layer worker --connect ") || !text.hasSuffix("\n"),
                let data = try errors.fileHandleForReading.read(upToCount: 1), !data.isEmpty
            { text += String(decoding: data, as: UTF8.self) }
            let endpoint = String(text.split(separator: " ").last ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
            let stranger = try Program.run(["worker", "--connect", endpoint, "--quiet"])
            #expect(stranger.status == 3 && stranger.errors.contains("model.path.family: got givens"), "\(stranger.errors)")
            let worker = try Program.run(["worker", "--connect", endpoint, "--quiet"], program: "own-layer")
            coordinator.waitUntilExit()
            #expect(coordinator.terminationStatus == 0 && worker.status == 0, "\(worker.errors)")
        }
    }

    @Test("init writes the family's options, and only families that there are")
    func initialFile() throws {
        try Program.inTemporaryFolder { folder in
            let path = "\(folder)/my.yaml"
            #expect(try Self.ownLayer(["init", "--family", "givens", path]).status == 0)
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.contains("own-layer train") && text.contains("rounds: 8"), "\(text)")
            let outcome = try Program.run(["init", "--family", "givens", "\(folder)/other.yaml"])
            #expect(outcome.status == 3 && outcome.errors.contains("got givens"), "\(outcome.errors)")
        }
    }
}
