import Foundation
import RunStore
import Testing

@testable import CommandLineInterface

@Suite("Which checkpoint a path means")
struct CheckpointPathTests {
    /// A run's directory with snapshots of these steps, each vouched for.
    private static func withRun<R>(_ steps: [UInt64], _ body: (_ run: String) throws -> R) throws -> R {
        let folder = FileManager.default.temporaryDirectory.appending(path: "plumb-path-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let run = try RunDirectory.create(at: "\(folder)/run")
        for step in steps {
            _ = try run.snapshots.save(step: step, timeline: 1, keeping: 9) { path in
                var writer = SafetensorsWriter()
                writer.add("w", shape: [1], values: [Float(step)])
                return try writer.write(to: path)
            }
        }
        return try body(run.path)
    }

    private static func refusal(_ path: String) -> String {
        do { return "accepted \(try CheckpointPath.resolved(path))" } catch { return "\(error)" }
    }

    @Test("the newest step counts, not the last name; junk and files without a manifest do not")
    func newest() throws {
        try Self.withRun([999_999, 1_000_000]) { run in
            let junk = ["step-999999999.tmp", "step-2000000.safetensors", "step-x.json.partial"]
            for name in junk { try Data("junk".utf8).write(to: URL(filePath: "\(run)/checkpoints/\(name)")) }
            #expect(try CheckpointPath.resolved(run).hasSuffix("/run/checkpoints/step-1000000.safetensors"))
            #expect(try CheckpointPath.resolved("\(run)/").hasSuffix("/checkpoints/step-1000000.safetensors"))
            #expect(try CheckpointPath.resolved("\(run)/checkpoints").hasSuffix("/checkpoints/step-1000000.safetensors"))
            #expect(try CheckpointPath.resolved("\(run)/checkpoints/").hasSuffix("/checkpoints/step-1000000.safetensors"))
            #expect(try CheckpointPath.resolved("\(run)/checkpoints/\(junk[0])") == "\(run)/checkpoints/\(junk[0])")
            #expect(try CheckpointPath.resolved("nowhere") == "nowhere", "opening it says why not")
        }
    }

    @Test("a damaged snapshot or manifest is refused with its name")
    func damaged() throws {
        try Self.withRun([3]) { run in
            let file = "\(run)/checkpoints/step-000003.safetensors"
            var bytes = try Data(contentsOf: URL(filePath: file))
            bytes[bytes.count - 1] ^= 1
            try bytes.write(to: URL(filePath: file))
            #expect(Self.refusal(run).contains("step-000003.safetensors: its SHA-256 is not the one"))
            try Data("{".utf8).write(to: URL(filePath: "\(run)/checkpoints/step-000003.json"))
            #expect(Self.refusal(run).contains("step-000003.json: it is not a manifest's JSON"))
        }
    }

    @Test("without a snapshot the refusal says what is there and what to name")
    func nothing() throws {
        try Self.withRun([]) { run in
            let directory = "\(run)/checkpoints"
            #expect(Self.refusal(run).contains("there is no snapshot with its manifest in this run; name a safetensors file"))
            for name in ["b.safetensors", "a.safetensors"] { try Data().write(to: URL(filePath: "\(directory)/\(name)")) }
            #expect(Self.refusal(run).hasSuffix("it holds 2 safetensors files, so name one, as \(directory)/a.safetensors"))
            let models = "\(run)/models"
            try FileManager.default.createDirectory(atPath: models, withIntermediateDirectories: true)
            #expect(Self.refusal(models).contains("this directory is no run's, as it has no checkpoints; name a safetensors file"))
            try Data().write(to: URL(filePath: "\(models)/m.safetensors"))
            #expect(Self.refusal(models).hasSuffix("it holds 1 safetensors file, so name one, as \(models)/m.safetensors"))
        }
    }
}
