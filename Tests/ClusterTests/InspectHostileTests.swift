import Foundation
import Testing

@Suite("plumb inspect on hostile files")
struct InspectHostileTests {
    private static func write(_ folder: String, _ name: String = "x", _ fill: (inout TensorFile) -> Void) throws -> String {
        var file = TensorFile()
        fill(&file)
        let path = "\(folder)/\(name).safetensors"
        try file.write(to: path)
        return path
    }

    @Test("an empty kernel of many places is empty, in every mode, at once")
    func emptyKernel() throws {
        try Program.inTemporaryFolder { folder in
            let path = try Self.write(folder) { file in
                file.tensors = [
                    ("many", "F32", [8, 0, 200_000_000], Data()), ("wide", "F32", [1_000_000_000, 1_000_000_000, 0], Data()),
                ]
            }
            for mode in [[], ["--csv"], [path]] {
                let outcome = try Program.run(["inspect", path] + mode)
                #expect(outcome.status == 0 && outcome.output.contains("the matrix is empty"), "\(outcome.errors)")
            }
            let columns = try Program.run(["inspect", path, "--weightwatcher"])
            #expect(columns.status == 3 && columns.errors.contains("there are none"))
        }
    }

    @Test("float64 beyond float32's range is n/a with its largest element; what only rounds is examined")
    func range() throws {
        try Program.inTemporaryFolder { folder in
            func doubles(_ scale: Double) -> Data {
                Data((0..<12 * 12).flatMap { TensorFile.littleEndian((Double(exactElement($0)) * scale).bitPattern) })
            }
            let path = try Self.write(folder) { file in
                for (name, scale) in [("tiny", 1e-60), ("huge", 1e300), ("one", 1.0), ("small", 1e-37), ("zero", 0)] {
                    file.tensors.append((name, "F64", [12, 12], doubles(scale)))
                }
            }
            let tensors = InspectTests.tensors(try Program.run(["inspect", path, "--json"]))
            for (name, element) in [("tiny", "e-60"), ("huge", "e+300")] {
                let reasons = InspectTests.quantities(tensors[name], "reasons") as? [String: String] ?? [:]
                #expect(InspectTests.quantities(tensors[name], "values").isEmpty && reasons.count == 23)
                #expect(reasons.values.allSatisfy { $0.hasPrefix("outside float32's range") && $0.contains(element) })
            }
            let one = InspectTests.quantities(tensors["one"], "values")["stable_rank"] as? Double ?? 0
            let small = InspectTests.quantities(tensors["small"], "values")["stable_rank"] as? Double ?? 0
            #expect(one > 1 && abs(one - small) < 1e-5 * one)
            #expect(InspectTests.quantities(tensors["zero"], "reasons")["stable_rank"] as? String == "all elements are zero")
            let changed = InspectTests.tensors(try Program.run(["inspect", path, path, "--json"]))
            let reason = InspectTests.quantities(changed["huge"], "reasons")["update_spectral_norm"] as? String
            #expect(reason?.hasPrefix("outside float32's range") == true)
            let columns = try Program.run(["inspect", path, "--weightwatcher", "--json"])
            let layers = columns.json["layers"] as? [[String: Any]] ?? []
            let huge = layers.first { $0["longname"] as? String == "huge" }
            #expect(huge?["status"] as? String == "failed" && huge?["has_esd"] as? Bool == false && huge?["M"] as? Double == 12)
            #expect(columns.errors.contains("huge: n/a, outside float32's range"))
        }
    }

    @Test("a tensor of an unknown type is passed over with its reason, the others are examined")
    func unknownType() throws {
        try Program.inTemporaryFolder { folder in
            let path = try Self.write(folder) { file in
                file.add("w", [4, 4], exactElement)
                for type in ["C64", "F8_E8M0", "F8_E4M3FNUZ"] { file.tensors.append((type, type, [2, 4], Data(count: 8))) }
            }
            let outcome = try Program.run(["inspect", path])
            #expect(outcome.status == 0)
            for type in ["C64", "F8_E8M0", "F8_E4M3FNUZ"] {
                #expect(outcome.output.contains("not examined, as elements of the type \(type) are not read here: \(type)\n"))
            }
        }
    }

    @Test("a name with escape codes and newlines is spelt out wherever a terminal would obey it")
    func names() throws {
        try Program.inTemporaryFolder { folder in
            let name = "a\u{1B}[2Jb\nc"
            let (first, second) = (
                try Self.write(folder, "a") { $0.add(name, [12, 12], exactElement) },
                try Self.write(folder, "b") { file in
                    file.add(name, [12, 12], exactElement)
                    file.add(name + "2", [12, 12]) { _ in .nan }
                }
            )
            for mode in [[first], [first, second], [second, "--weightwatcher"]] {
                let outcome = try Program.run(["inspect"] + mode)
                #expect(outcome.status == 0 && outcome.output.contains(#"a\u{1B}[2Jb\nc"#), "\(outcome.output)")
                #expect(!(outcome.output + outcome.errors).contains("\u{1B}") && !outcome.errors.contains("b\nc"))
            }
        }
    }

    @Test("weightwatcher's columns: layers count from 1 with those passed over, has_esd, and a header where nothing can be had")
    func weightwatcher() throws {
        try Program.inTemporaryFolder { folder in
            let path = try Self.write(folder) { file in
                file.add("0.weight", [30, 20], exactElement)
                file.add("1.weight", [20]) { _ in 1 }
                file.add("1.bias", [20]) { _ in 1 }
                file.add("2.weight", [20, 20], exactElement)
            }
            let lines = try Program.run(["inspect", path, "--weightwatcher", "--csv"]).output.split(separator: "\n")
            #expect(lines.dropFirst().map { $0.prefix(2) } == ["1,", "3,"])
            let place = try #require(lines[0].split(separator: ",").firstIndex(of: "has_esd"))
            #expect(lines[1].split(separator: ",", omittingEmptySubsequences: false)[place] == "True")
            let nothing = try Self.write(folder, "nan") { $0.add("w", [30, 20]) { _ in .nan } }
            let empty = try Program.run(["inspect", nothing, "--weightwatcher", "--csv"]).output.split(separator: "\n")
            #expect(empty.count == 2 && empty[0].hasPrefix("layer_id,name") && empty[1].contains("failed"))
        }
    }
}
