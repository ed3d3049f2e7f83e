import Foundation
import Testing

@testable import RunStore

@Suite("Safetensors")
struct SafetensorsTests {
    static func inTemporaryFolder<R>(_ body: (String) throws -> R) throws -> R {
        let path = FileManager.default.temporaryDirectory.appending(path: "plumb-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }

    static func raw(_ header: String, _ data: [UInt8] = [], length: UInt64? = nil) -> Data {
        let count = length ?? UInt64(header.utf8.count)
        return Data((0..<8).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) } + Array(header.utf8) + data)
    }

    static func refusal(_ data: Data) throws -> String {
        try inTemporaryFolder { folder in
            let path = "\(folder)/x.safetensors"
            try data.write(to: URL(filePath: path))
            do {
                _ = try SafetensorsFile(path)
                return "accepted"
            } catch { return (error as? SafetensorsError)?.sentence ?? "\(error)" }
        }
    }

    @Test("what is written is read back: names, shapes, values, metadata, 8-byte alignment")
    func roundTrip() throws {
        try Self.inTemporaryFolder { folder in
            let path = "\(folder)/x.safetensors"
            var writer = SafetensorsWriter(metadata: ["step": "7", "quote": "a \"b\" \n ü"])
            writer.add("a.b", shape: [2, 3], values: [1, 2, 3, 4, 5, 6])
            writer.add("scalar", shape: [], values: [.nan])
            writer.add("empty", shape: [0, 4], values: [])
            try writer.write(to: path)
            let file = try SafetensorsFile(path)
            #expect(Set(file.tensors.map(\.name)) == ["a.b", "scalar", "empty"])
            #expect(try file.floats(of: file.tensor(named: "a.b")!) == [1, 2, 3, 4, 5, 6])
            #expect(try file.floats(of: file.tensor(named: "scalar")!)[0].isNaN)
            #expect(file.metadata["quote"] == "a \"b\" \n ü" && file.tensor(named: "a.b")!.shape == [2, 3])
            let bytes = try Data(contentsOf: URL(filePath: path))
            #expect(bytes[0] % 8 == 0)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["x.safetensors"], "no temporary file is left")
        }
    }

    @Test("Python's safetensors reads it, where it is installed")
    func python() throws {
        try Self.inTemporaryFolder { folder in
            let path = "\(folder)/x.safetensors"
            var writer = SafetensorsWriter()
            writer.add("w", shape: [2, 2], values: [1, -2, 0.5, 4])
            try writer.write(to: path)
            let script =
                "import safetensors.numpy as s; w = s.load_file('\(path)')['w']; print(w.shape, w.dtype, w.ravel().tolist())"
            let process = Process()
            let output = Pipe()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = ["python3", "-c", script]
            (process.standardOutput, process.standardError) = (output, Pipe())
            try process.run()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else { return print("skipped: Python's safetensors is not installed") }
            let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            #expect(text == "(2, 2) float32 [1.0, -2.0, 0.5, 4.0]\n")
        }
    }

    @Test("hostile headers are refused with a reason")
    func hostile() throws {
        #expect(try Self.refusal(Data()).contains("truncated"))
        #expect(try Self.refusal(Self.raw("{}", length: 1 << 60)).contains("no safetensors file"))
        #expect(try Self.refusal(Self.raw("[1]")).contains("not a JSON object"))
        #expect(
            try Self.refusal(Self.raw("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", [0, 0, 0, 0])).contains(
                "do not agree"))
        #expect(
            try Self.refusal(Self.raw("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", [0, 0])).contains(
                "describes 1 bytes of data, but the file has 2"))
        #expect(
            try Self.refusal(Self.raw("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", [0, 0])).contains(
                "begins at 1"))
        #expect(
            try Self.refusal(Self.raw("{\"a\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}"))
                .contains(
                    "larger than any file"))
        #expect(
            try Self.refusal(Self.raw("{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,0]}}")).contains("does not say"))
    }

    @Test("a file truncated anywhere is refused")
    func truncations() throws {
        var writer = SafetensorsWriter()
        writer.add("w", shape: [3], values: [1, 2, 3])
        let whole = try Self.inTemporaryFolder { folder in
            try writer.write(to: "\(folder)/x")
            return try Data(contentsOf: URL(filePath: "\(folder)/x"))
        }
        for length in 0..<whole.count { #expect(try Self.refusal(whole.prefix(length)) != "accepted") }
    }

    @Test("every element type reads as float32")
    func elements() throws {
        let cases: [(String, [UInt8], Float)] = [
            ("F16", [0x00, 0x3C], 1), ("BF16", [0x80, 0x3F], 1), ("I8", [0xFF], -1), ("U8", [7], 7), ("BOOL", [1], 1),
            ("I16", [0xFE, 0xFF], -2),
            ("I32", [3, 0, 0, 0], 3), ("I64", [4, 0, 0, 0, 0, 0, 0, 0], 4), ("F64", [0, 0, 0, 0, 0, 0, 0xF0, 0x3F], 1),
        ]
        for (type, bytes, value) in cases {
            try Self.inTemporaryFolder { folder in
                let path = "\(folder)/x"
                try Self.raw("{\"a\":{\"dtype\":\"\(type)\",\"shape\":[1],\"data_offsets\":[0,\(bytes.count)]}}", bytes)
                    .write(to: URL(filePath: path))
                let file = try SafetensorsFile(path)
                #expect(try file.floats(of: file.tensors[0]) == [value], "\(type)")
            }
        }
    }
}

@Suite("Run directories")
struct RunDirectoryTests {
    @Test("a run is never overwritten, and two runs of one second get two directories")
    func directories() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let first = try RunDirectory.create(parent: folder, name: "a")
            let second = try RunDirectory.create(parent: folder, name: "a")
            #expect(first.path != second.path)
            try first.writeExperiment("seed: 0\n")
            #expect(throws: RunDirectoryError.self) { try RunDirectory.create(at: first.path) }
        }
    }

    @Test("rows and their reasons can be read with any SQLite")
    func record() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let record = try RunRecord(path: "\(folder)/run.sqlite")
            record.step(3, trainLoss: 0.5, trainAccuracy: 0.75, gradientNorm: nil, clipScale: 1, learningRate: 0.1)
            record.diagnostic(
                3, layer: nil, diagnostic: "D19", quantity: "noise", value: nil, uncertainty: nil, reason: "one microbatch")
            try record.close()
            let process = Process()
            let output = Pipe()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = [
                "sqlite3", "\(folder)/run.sqlite",
                "SELECT step, train_loss, gradient_norm FROM steps; SELECT reason FROM layer_diagnostics;",
            ]
            (process.standardOutput, process.standardError) = (output, Pipe())
            try process.run()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else { return print("skipped: the sqlite3 shell is not installed") }
            #expect(
                String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self) == "3|0.5|\none microbatch\n"
            )
        }
    }
}
