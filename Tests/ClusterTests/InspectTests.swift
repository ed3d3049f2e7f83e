import Foundation
import Testing

@Suite("plumb inspect on files")
struct InspectTests {
    /// What is no ordinary matrix, and one that is.
    private static func hardFile(_ folder: String) throws -> String {
        var file = TensorFile()
        file.add("plain.weight", [64, 80], exactElement)
        file.add("conv.weight", [16, 12, 3, 3], exactElement)
        file.add("conv1d.weight", [16, 12, 5], exactElement)
        file.add("scalar", []) { _ in 1 }
        file.add("bias", [9]) { _ in 1 }
        file.add("empty.weight", [0, 5]) { _ in 1 }
        file.add("one.weight", [1, 1]) { _ in 3 }
        file.add("row.weight", [1, 90], exactElement)
        file.add("zero.weight", [60, 60]) { _ in 0 }
        file.add("rank1.weight", [60, 60]) { Float(1 + $0 / 60) * Float(1 + $0 % 60) }
        file.add("identity.weight", [60, 60]) { $0 / 60 == $0 % 60 ? 1 : 0 }
        file.add("undefined.weight", [60, 60]) { $0 == 7 ? .nan : 1 }
        file.add("infinite.weight", [60, 60]) { $0 == 7 ? .infinity : 1 }
        file.add("five.weight", [2, 2, 2, 2, 2]) { _ in 1 }
        file.tensors.append(("counts", "I32", [2, 2], Data(repeating: 1, count: 16)))
        let path = "\(folder)/hard.safetensors"
        try file.write(to: path)
        return path
    }

    static func tensors(_ outcome: Program.Outcome) -> [String: [String: Any]] {
        let list = outcome.json["tensors"] as? [[String: Any]] ?? []
        return Dictionary(list.map { ($0["name"] as? String ?? "", $0) }) { first, _ in first }
    }

    static func quantities(_ tensor: [String: Any]?, _ kind: String) -> [String: Any] {
        (tensor?["quantities"] as? [String: Any])?[kind] as? [String: Any] ?? [:]
    }

    @Test("hard tensors get values or reasons, the table fits a terminal, and the threads change nothing")
    func hard() throws {
        try Program.inTemporaryFolder { folder in
            let path = try Self.hardFile(folder)
            for mode in [[], ["--json"], ["--csv"], ["--weightwatcher"], ["--weightwatcher", "--csv"], ["--no-control"]] {
                let (one, two) = try (
                    Program.run(["inspect", path, "--threads", "1"] + mode),
                    Program.run(["inspect", path, "--threads", "2"] + mode)
                )
                #expect(one.status == 0 && one.output == two.output && one.output.contains("plain"), "\(mode) \(one.errors)")
                #expect(!one.output.contains("nan,") && !one.output.contains("inf,"))
            }
            let table = try Program.run(["inspect", path, "--no-control"]).output.split(separator: "\n")
            #expect(table.filter { $0.count > 120 }.isEmpty)
            #expect(table.contains("not examined, as a vector has no spectrum: bias"))
            #expect(table.contains("not examined, as I32 elements are no weights: counts"))
            #expect(table.contains("n/a, the matrix holds NaN or infinity: undefined.weight, infinite.weight"))
            let sentences = table.joined(separator: " ").split(separator: " ", omittingEmptySubsequences: true).joined(
                separator: " ")
            #expect(
                sentences.contains(
                    "half of the singular values are zero or made by rounding the elements to float32: there is no bulk: rank1"))
            #expect(
                sentences.contains(
                    "1 eigenvalue above rounding to float32 is too few for a tail; 50 are needed: one.weight, row.weight, rank1"))
            #expect(!table.contains { $0.contains("control") })
            let tensors = Self.tensors(try Program.run(["inspect", path, "--json"]))
            #expect(tensors.count == 11)
            #expect((tensors["conv.weight"]?["singularValues"] as? [Any])?.count == 12 * 9)
            #expect(Self.quantities(tensors["one.weight"], "values")["spectral_norm"] as? Double == 3)
            #expect(Self.quantities(tensors["zero.weight"], "reasons")["stable_rank"] as? String == "all elements are zero")
            #expect(Self.quantities(tensors["identity.weight"], "values")["orthogonality_error"] as? Double == 0)
            let rank = Self.quantities(tensors["rank1.weight"], "reasons")["condition_number"] as? String
            #expect(rank?.hasPrefix("rank deficient") == true)
        }
    }

    @Test("every element type of the same numbers has the same figures")
    func elementTypes() throws {
        try Program.inTemporaryFolder { folder in
            var file = TensorFile()
            file.add("w", [60, 70], exactElement)
            let floats = (0..<60 * 70).map(exactElement)
            file.tensors += [
                ("f64", "F64", [60, 70], Data(floats.flatMap { TensorFile.littleEndian(Double($0).bitPattern) })),
                ("f16", "F16", [60, 70], Data(floats.flatMap { TensorFile.littleEndian(Float16($0).bitPattern) })),
                ("bf16", "BF16", [60, 70], Data(floats.flatMap { TensorFile.littleEndian(UInt16($0.bitPattern >> 16)) })),
            ]
            try file.write(to: "\(folder)/types.safetensors")
            let tensors = Self.tensors(try Program.run(["inspect", "\(folder)/types.safetensors", "--json", "--no-control"]))
            let expected = Self.quantities(tensors["w"], "values") as? [String: Double] ?? [:]
            #expect(expected.count > 10)
            for name in ["f64", "f16", "bf16"] {
                #expect(Self.quantities(tensors[name], "values") as? [String: Double] == expected, "\(name)")
            }
        }
    }

    @Test("globs choose tensors, and change no figure of those that stay; choosing none is refused")
    func globs() throws {
        try Program.inTemporaryFolder { folder in
            let path = try Self.hardFile(folder)
            let all = try Program.run(["inspect", path, "--csv"]).output.split(separator: "\n")
            let some = try Program.run(
                ["inspect", path, "--csv", "--layers", "p*.weight", "--layers", "conv*", "--exclude", "conv1?.*"])
            let lines = some.output.split(separator: "\n")
            #expect(lines.dropFirst().map { $0.prefix { $0 != "," } } == ["plain.weight", "conv.weight"])
            #expect(lines.allSatisfy { all.contains($0) })
            let none = try Program.run(["inspect", path, "--layers", "decoder.*"])
            #expect(none.status == 3 && none.errors.contains("--layers and --exclude leave nothing"))
        }
    }

    @Test("two files: what changed, by how much, and what only one of them has")
    func comparison() throws {
        try Program.inTemporaryFolder { folder in
            let (first, second) = ("\(folder)/a.safetensors", "\(folder)/b.safetensors")
            var (before, after) = (TensorFile(), TensorFile())
            before.add("w", [40, 30], exactElement)
            after.add("w", [40, 30]) { exactElement($0) * 1.5 }
            before.add("same", [4, 4], exactElement)
            after.add("same", [4, 4], exactElement)
            before.add("reshaped", [4, 6], exactElement)
            after.add("reshaped", [6, 4], exactElement)
            before.add("old", [4, 4], exactElement)
            after.add("new", [4, 4], exactElement)
            try before.write(to: first)
            try after.write(to: second)
            let outcome = try Program.run(["inspect", first, second, "--json"])
            let tensors = Self.tensors(outcome)
            let values = Self.quantities(tensors["w"], "values") as? [String: Double] ?? [:]
            #expect(abs((values["relative_update_spectral_norm"] ?? 0) - 0.5) < 1e-12)
            #expect(abs((values["relative_update_frobenius_norm"] ?? 0) - 0.5) < 1e-12)
            #expect(Self.quantities(tensors["same"], "values")["update_spectral_norm"] as? Double == 0)
            #expect(Self.quantities(tensors["same"], "reasons")["update_stable_rank"] as? String == "nothing changed")
            let reason = Self.quantities(tensors["reshaped"], "reasons")["update_spectral_norm"] as? String
            #expect(reason == "the shapes differ: [4, 6] and [6, 4]")
            #expect(outcome.json["onlyInFirst"] as? [String] == ["old"] && outcome.json["onlyInSecond"] as? [String] == ["new"])
            let table = try Program.run(["inspect", first, second]).output
            #expect(table.contains("only in \(first): old\n") && table.contains("only in \(second): new\n"))
        }
    }

    @Test("a file far larger than the memory it is given: matrices come and go one by one for each thread")
    func memory() throws {
        try Program.inTemporaryFolder { folder in
            let (path, count, bytes) = ("\(folder)/sparse.safetensors", 96, 16 << 20)
            let entries = (0..<count).map {
                "\"layers.\($0)\":{\"dtype\":\"F32\",\"shape\":[4,1048576],\"data_offsets\":[\($0 * bytes),\(($0 + 1) * bytes)]}"
            }
            let header = Data("{\(entries.joined(separator: ","))}".utf8)
            try (Data(TensorFile.littleEndian(UInt64(header.count))) + header).write(to: URL(filePath: path))
            let file = try #require(FileHandle(forWritingAtPath: path))
            try file.truncate(atOffset: UInt64(8 + header.count + count * bytes))
            let (process, output, _) = try Program.start(["inspect", path, "--threads", "2"])
            var peak = 0
            while process.isRunning {
                peak = max(peak, Self.peakKibibytes(of: process.processIdentifier))
                usleep(2000)
            }
            let lines = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            #expect(process.terminationStatus == 0 && lines.split(separator: "\n").count { $0.hasPrefix("layers.") } == count)
            // Two matrices of 16 MiB are in use; the allocator keeps up to a dozen such blocks for each thread, however long the file.
            #expect(peak > 20_000 && peak < 600_000, "\(peak) KiB of \(count * bytes >> 10)")
        }
    }

    private static func peakKibibytes(of process: Int32) -> Int {
        let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0
    }
}
