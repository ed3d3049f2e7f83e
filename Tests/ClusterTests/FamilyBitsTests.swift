import Foundation
import RunStore
import StructuredLayers
import Testing

/// The law of the same bits, for everything that a layer can be made of.
@Suite("Every family on many workers", .serialized)
struct FamilyBitsTests {
    static let stateful = ["spectral-norm", "gradient-flow"]

    /// An experiment file with this path and this correction, small enough for many runs.
    static func experiment(_ folder: String, path: String, correction: String, steps: Int = 20) throws -> String {
        let file = "\(folder)/experiment.yaml"
        try """
        data: { source: spirals, points: 200 }
        model: { width: 16, depth: 3, path: { \(path) }, correction: { \(correction) } }
        optimizer: { kind: adam, learningRate: 0.01 }
        training: { batch: 32, partitions: 4, steps: \(steps), clip: 0.5, checkpointEvery: 10, keepCheckpoints: 10000 }
        diagnostics: { every: 10, budget: none }
        """.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    static func train(_ arguments: [String], environment: [String: String] = [:]) throws -> Program.Outcome {
        try Program.run(["train", "--json"] + arguments, environment: environment)
    }

    /// Runs in `folder/reference` and `folder/1` to `folder/3`, all with one weightsSHA256, which it returns.
    @discardableResult
    static func expectSameBits(in folder: String, _ file: String) throws -> String {
        let reference = try train([file, "--reference", "--run-dir", "\(folder)/reference"])
        #expect(reference.status == 0, "\(reference.errors)")
        let bits = try #require(reference.json["weightsSHA256"] as? String)
        for workers in 1...3 {
            let run = try train([file, "--run-dir", "\(folder)/\(workers)", "--set", "cluster.workers=\(workers)"])
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.json["weightsSHA256"] as? String == bits, "\(workers) workers")
        }
        return bits
    }

    /// Every tensor of a run's snapshot of version 120, by name.
    static func snapshot(_ run: String) throws -> [String: [UInt8]] {
        let file = try SafetensorsFile("\(run)/checkpoints/step-000120.safetensors")
        return try Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, try file.bytes(of: $0)) })
    }

    @Test("one weightsSHA256 on 1, 2 and 3 workers and from the reference trainer", arguments: LayerFamilies.builtin.pathNames)
    func paths(family: String) throws {
        try Program.inTemporaryFolder { folder in
            let correction = "kind: bottleneck, rank: 4, cap: 2/sqrt(L)"
            try Self.expectSameBits(in: folder, try Self.experiment(folder, path: "family: \(family)", correction: correction))
        }
    }

    @Test("and with every correction", arguments: LayerFamilies.builtin.correctionNames + ["none"])
    func corrections(kind: String) throws {
        try Program.inTemporaryFolder { folder in
            let rank = ["none", "dense"].contains(kind) ? "" : ", rank: 4"
            let rest = kind == "none" ? "" : ", scale: layerscale, cap: 2/sqrt(L), outputClip: 3"
            let file = try Self.experiment(folder, path: "family: householder", correction: "kind: \(kind)\(rank)\(rest)")
            try Self.expectSameBits(in: folder, file)
        }
    }

    @Test("state blocks too are the same in snapshots, and a resumed run goes on from them", arguments: stateful)
    func states(family: String) throws {
        try Program.inTemporaryFolder { folder in
            let correction = "kind: bottleneck, rank: 4, cap: 2/sqrt(L)"
            let file = try Self.experiment(folder, path: "family: \(family)", correction: correction, steps: 120)
            let bits = try Self.expectSameBits(in: folder, file)
            let wanted = try Self.snapshot("\(folder)/reference")
            let layer = try StandaloneLayer(width: 16, batch: 1, path: PathSpecification(family: family))
            let states = layer.blocks.filter { $0.role == .state }.map(\.name)
            #expect(!states.isEmpty && states.allSatisfy { wanted[$0] != nil }, "\(wanted.keys.sorted())")
            for workers in 1...3 { #expect(try Self.snapshot("\(folder)/\(workers)") == wanted, "\(workers) workers") }
            // The only worker dies in the midst of a push, which ends the run; two go on with it from the last snapshot on disk.
            let directory = "\(folder)/killed"
            let killed = try Self.train(
                [file, "--run-dir", directory, "--set", "cluster.workers=1"],
                environment: ["PLUMB_FAILPOINT": "worker-1:push:115"])
            #expect(killed.status == 1 && killed.errors.contains("go on with --resume"), "\(killed.errors)")
            let begun = try String(contentsOfFile: "\(directory)/experiment.yaml", encoding: .utf8)
            let resumed = try Self.train(["--resume", directory, "--set", "cluster.workers=2"])
            #expect(resumed.status == 0 && resumed.errors.contains("going on in "), "\(resumed.errors)")
            #expect(!resumed.errors.contains("from step 0\n"), "\(resumed.errors)")
            #expect(resumed.json["weightsSHA256"] as? String == bits)
            #expect(try Self.snapshot(directory) == wanted)
            #expect(try String(contentsOfFile: "\(directory)/experiment.yaml", encoding: .utf8) == begun)
        }
    }
}
