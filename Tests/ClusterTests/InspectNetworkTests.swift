import Foundation
import Testing

@Suite("plumb inspect on a checkpoint's network", .serialized)
struct InspectNetworkTests {
    /// A run of ten steps, and its directory.
    private static func withRun(_ body: (_ directory: String) throws -> Void) throws {
        try Program.inTemporaryFolder { folder in
            let run = try ProcessTests.train(
                folder, ["--reference", "--set", "training.steps=10", "--set", "training.validateEvery=5"])
            try body(try #require(run.json["runDirectory"] as? String, "\(run.errors)"))
        }
    }

    /// The diagnostics, layers and quantities of --csv.
    private static func rows(_ arguments: [String]) throws -> [[String]] {
        let outcome = try Program.run(["inspect"] + arguments + ["--data", "--csv"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome.output.split(separator: "\n").dropFirst().map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
    }

    @Test("every diagnostic of a version is measured: weights too; patterns, layers and exclusions are honoured")
    func selections() throws {
        try Self.withRun { run in
            let spectrum = try Self.rows([
                run, "--select", "spectrum", "--select", "*caps", "--layers", "*1", "--layers", "readout",
            ])
            #expect(Set(spectrum.map { $0[0] }) == ["D1", "D2", "D3", "D4", "D7", "caps"])
            #expect(Set(spectrum.map { $0[1] }) == ["2", "5"])
            let without = try Self.rows([run, "--select", "D1", "--exclude", "layers.*"])
            #expect(Set(without.filter { $0[0] == "D1" }.map { $0[1] }) == ["0", "5"])
            let tails = try Self.rows([run, "--select", "D5"])
            #expect(!tails.isEmpty && tails.allSatisfy { $0[0] == "D5" && $0[1] != "" })
            let update = try Self.rows([run, "--select", "update"])
            #expect(!update.isEmpty && update.allSatisfy { $0[0] == "D8" && $0[5].hasPrefix("one version changes nothing") })
            let all = Set(try Self.rows([run]).map { $0[0] })
            #expect(all.isSuperset(of: ["D1", "D5", "D6", "D9", "D12", "D14", "D20", "D26", "caps"]) && !all.contains("D8"))
            let none = try Program.run(["inspect", run, "--data", "--exclude", "*"])
            #expect(
                none.status == 3 && none.errors.contains("leave no layer of this network; it has embedding, layers.0 to layers.3"))
            let unknown = try Program.run(["inspect", run, "--data", "--select", "*gap"])
            #expect(unknown.status == 3 && unknown.errors.contains("diagnostics.select is *gap"), "\(unknown.errors)")
        }
    }

    @Test("a version that no run can have is refused", arguments: ["18446744073709551615", "1000000001"])
    func version(step: String) throws {
        try Self.withRun { run in
            let file = URL(filePath: "\(run)/checkpoints/step-000010.safetensors")
            let bytes = try Data(contentsOf: file)
            let length = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
            let header = String(decoding: bytes[8..<8 + length], as: UTF8.self)
            let changed = header.replacing("\"step\":\"10\"", with: "\"step\":\"\(step)\"")
            #expect(changed != header)
            let all = Data(TensorFile.littleEndian(UInt64(changed.utf8.count))) + Data(changed.utf8) + bytes[(8 + length)...]
            try all.write(to: file)
            let outcome = try Program.run(["inspect", file.path, "--data"])
            #expect(outcome.status == 3 && outcome.errors.contains("no run is longer than 1000000000 steps"), "\(outcome.errors)")
        }
    }

    @Test("the weights' figures are those of the run's own record of that version")
    func sameAsTheRecord() throws {
        try Self.withRun { run in
            let sql = "SELECT value FROM layer_diagnostics WHERE quantity = 'spectral_norm' AND step = 10 ORDER BY layer"
            let recorded = try RunFolder(path: run).real(sql)
            let outcome = try Program.run(["inspect", run, "--data", "--select", "spectrum", "--json"])
            let layers = outcome.json["layers"] as? [[String: Any]] ?? []
            let norms = layers.first { $0["quantity"] as? String == "spectral_norm" }
            let measured = try Self.rows([run, "--select", "spectrum"]).filter { $0[2] == "spectral_norm" }.map { Double($0[3]) }
            #expect(recorded.count == 6 && measured == recorded, "to the last bit")
            #expect((norms?["uncertainties"] as? [String: Double])?.count == 6, "by layer: \(norms ?? [:])")
        }
    }

    @Test("a run without its record says so and shows the weights; a damaged checkpoint is refused with 3; usage errors are 2")
    func manners() throws {
        try Self.withRun { run in
            #expect(try Program.run(["inspect", run, "--csv"]).output.hasPrefix("step,layer,diagnostic"))
            try FileManager.default.removeItem(atPath: "\(run)/run.sqlite")
            let weights = try Program.run(["inspect", run, "--no-control"])
            #expect(weights.status == 0 && weights.output.contains("embedding.weight"))
            #expect(
                weights.errors
                    == "\(run): there is no run.sqlite, so this is the checkpoint \(run)/checkpoints/step-000010.safetensors\n")
            let best = "\(run)/checkpoints/best.safetensors"
            var bytes = try Data(contentsOf: URL(filePath: best))
            bytes[bytes.count - 1] ^= 1
            try bytes.write(to: URL(filePath: best))
            for command in [["inspect", best], ["inspect", best, "--data", "--select", "spectrum"], ["evaluate", best]] {
                let outcome = try Program.run(command)
                #expect(outcome.status == 3 && outcome.errors.contains("the file is damaged"), "\(outcome.errors)")
            }
            let usage = try Program.run(["inspect", best, "--nonsense"])
            #expect(usage.status == 2 && usage.errors.contains("--nonsense") && usage.errors.contains("Usage:"))
            let export = try Program.run(["export", "tensorboard", run])
            #expect(export.status == 3 && export.errors.contains("no run.sqlite"))
        }
    }

    @Test("event files that cannot be written: the path and the remedy")
    func export() throws {
        try Self.withRun { run in
            let outcome = try Program.run(["export", "tensorboard", run, "--to", "/proc/x"])
            #expect(outcome.status == 3 && outcome.errors.contains("/proc/x: the event files cannot be written (mkdir: "))
        }
    }
}
