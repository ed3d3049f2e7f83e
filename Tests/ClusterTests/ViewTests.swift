import Foundation
import Testing

@Suite("What a run leaves to look at", .serialized)
struct ViewTests {
    static func eventFiles(_ directory: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).filter { $0.contains("tfevents") }
    }

    @Test("a run writes event files, and its export has the same quantities; the record is closed whole")
    func eventFiles() throws {
        try Program.inTemporaryFolder { folder in
            let run = try ProcessTests.train(folder, ["--reference"])
            let directory = try #require(run.json["runDirectory"] as? String)
            let log = try? FileManager.default.attributesOfItem(atPath: "\(directory)/run.sqlite-wal")[.size] as? Int
            #expect(log ?? 0 == 0, "no reader kept the write-ahead log from being merged")
            let live = try #require(Self.eventFiles("\(directory)/tensorboard").first)
            #expect(Self.eventFiles("\(directory)/tensorboard").count == 1)
            for _ in 0..<2 {
                #expect(try Program.run(["export", "tensorboard", directory, "--to", "\(folder)/events"]).status == 0)
            }
            let exported = Self.eventFiles("\(folder)/events")
            #expect(exported.count == 1, "the second export replaces the first")
            let data = try Data(contentsOf: URL(filePath: "\(folder)/events/\(exported[0])"))
            let text = String(decoding: data, as: UTF8.self)
            for tag in ["train/loss", "test/accuracy", "D12/delta_norm/layer 001", "log10 singular values/001 layers.0.path"] {
                #expect(text.contains(tag))
            }
            let written = String(decoding: try Data(contentsOf: URL(filePath: "\(directory)/tensorboard/\(live)")), as: UTF8.self)
            #expect(written.contains("test/accuracy"), "the last update comes after the last row")
            let without = try ProcessTests.train(folder, ["--reference", "--set", "record.tensorboard=false"])
            let silent = try #require(without.json["runDirectory"] as? String)
            #expect(!FileManager.default.fileExists(atPath: "\(silent)/tensorboard"))
            #expect(without.json["weightsSHA256"] as? String == run.json["weightsSHA256"] as? String)
        }
    }

    @Test("only the chosen layers are recorded, and the weights do not notice")
    func layers() throws {
        try Program.inTemporaryFolder { folder in
            let all = try ProcessTests.train(folder, ["--reference"])
            let some = try ProcessTests.train(folder, ["--reference", "--set", "diagnostics.layers=[layers.1, readout]"])
            let record = RunFolder(path: try #require(some.json["runDirectory"] as? String))
            let layers = try record.numbers("SELECT DISTINCT layer FROM layer_diagnostics WHERE layer IS NOT NULL ORDER BY layer")
            #expect(layers == [2, 5])
            #expect(try record.numbers("SELECT DISTINCT layer FROM spectra ORDER BY layer") == [2, 5])
            #expect(try record.numbers("SELECT COUNT(*) FROM layer_diagnostics WHERE layer IS NULL").first ?? 0 > 0)
            #expect(all.json["weightsSHA256"] as? String == some.json["weightsSHA256"] as? String)
        }
    }
}
