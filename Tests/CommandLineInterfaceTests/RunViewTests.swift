import Foundation
import RunStore
import Testing

@testable import CommandLineInterface

@Suite("The view of a run")
struct RunViewTests {
    static let style = TerminalStyle(width: 100, isUnicode: true)

    /// A run of ten steps and four layers that was looked at twice.
    static func withRun<R>(layers: Int = 4, _ body: (String) throws -> R) throws -> R {
        let folder = FileManager.default.temporaryDirectory.appending(path: "plumb-view-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let record = try RunRecord(path: "\(folder)/run.sqlite")
        record.meta("name", "toy")
        record.meta("parameters", "12345")
        for step in 0..<10 as Range<UInt64> {
            record.step(
                step, trainLoss: 1 / Double(step + 1), trainAccuracy: 0.5, gradientNorm: nil, clipScale: 1, learningRate: 0.1)
        }
        for step in [0, 8] as [UInt64] {
            for layer in 0..<layers {
                record.diagnostic(
                    step, layer: layer, diagnostic: "D1", quantity: "spectral_norm", value: Double(layer + 1) * (step == 0 ? 1 : 2),
                    uncertainty: nil, reason: nil)
                record.spectrum(
                    step, layer: layer, tensor: "t\(layer)", singularValues: [Float(layer + 1), 0.5], total: 2, residual: 0)
                record.diagnostic(
                    step, layer: layer, diagnostic: "D3", quantity: "condition_number", value: layer == 2 ? nil : 7,
                    uncertainty: nil, reason: layer == 2 ? "rank deficient" : nil)
                record.diagnostic(
                    step, layer: layer, diagnostic: "D18", quantity: "some_new_thing", value: pow(10, Double(layer)),
                    uncertainty: layer == 1 ? nil : Double(layer + 1) / 10,
                    reason: nil)
            }
            for end in ["mean", "max"] {
                record.diagnostic(
                    step, layer: nil, diagnostic: "D24", quantity: "perturbation_gain_worst_direction_\(end)", value: 1.25,
                    uncertainty: nil, reason: nil)
            }
            record.diagnostic(
                step, layer: nil, diagnostic: "D12", quantity: "delta_slope_decades_per_layer", value: -0.25, uncertainty: 0.01,
                reason: nil)
            record.diagnostic(
                step, layer: nil, diagnostic: "D14", quantity: "sharpness", value: nil, uncertainty: nil, reason: "no probe round")
        }
        record.event(step: 8, kind: "diagnostics interval", subject: "D1", detail: "every 4 steps became every 8")
        try record.close()
        return try body(folder)
    }

    @Test("values over depth and time")
    func values() throws {
        try Self.withRun { folder in
            let view = try RunView(of: folder)
            #expect(view.steps == 10 && view.parameters == 12345 && !view.isFinished)
            #expect(view.layers.map(\.quantity) == ["spectral_norm", "condition_number", "some_new_thing"])
            let norm = try #require(view.layers.first)
            #expect(norm.step == 8 && norm.layers == [0, 1, 2, 3] && norm.values == [2, 4, 6, 8])
            #expect(norm.medians.steps == [0, 8] && norm.medians.values == [2.5, 5])
            #expect(view.layers[1].reasons == [2: "rank deficient"] && view.layers[1].values == [7, 7, nil, 7])
            #expect(view.layers[2].uncertainties == [0: 0.1, 2: 0.3, 3: 0.4] && norm.uncertainties.isEmpty)
            #expect(view.network.map(\.quantity).prefix(2) == ["delta_slope_decades_per_layer", "sharpness"])
            #expect(view.training.map(\.quantity) == ["train loss", "train accuracy", "learning rate"], "no norm was recorded")
        }
    }

    @Test("the lines say what, when, and why not, and fit the terminal")
    func text() throws {
        try Self.withRun { folder in
            let lines = try RunView(of: folder).lines(Self.style)
            func line(_ start: String) -> String { lines.first { $0.hasPrefix(start) } ?? "" }
            #expect(lines[0].hasPrefix("toy: 10 steps, 12,345 parameters"))
            #expect(line("train loss").contains("1.00 → 0.100") && line("train loss").contains("█"))
            #expect(line("D1 σ max").contains("▁▃▆█") && line("D1 σ max").contains("2.00 … 8.00"))
            #expect(line("D1 σ max").hasSuffix("2.50 → 5.00"))
            #expect(line("D3 condition number  ").contains("▄▄·▄"))
            #expect(line("D3 condition number:") == "D3 condition number: n/a at step 8 in 1 of 4 layers (2): rank deficient")
            #expect(line("D18 some new thing").contains("▁▃▆█"), "decades")
            #expect(line("D18 some new thing").contains("1.00 … 1000 ± 0.400"), "the largest half width")
            #expect(line("D12 delta slope").contains("-0.250 → -0.250 ± 0.0100") && line("D12 delta").hasSuffix("decades/layer"))
            #expect(line("D14 sharpness").contains("n/a: no probe round"))
            #expect(lines.contains("measured 2 times, every 8 steps from 0 to 8: D1, D3, D12, D14, D18, D24"))
            #expect(lines.contains("  step 8: D1, every 4 steps became every 8"))
            for width in [80, 100, 120] {
                for isUnicode in [true, false] {
                    let lines = try RunView(of: folder).lines(TerminalStyle(width: width, isUnicode: isUnicode))
                    #expect(lines.dropFirst().allSatisfy { $0.count <= width && !$0.hasSuffix(isUnicode ? "…" : ".") })
                    let labels = lines.filter { $0.hasPrefix("D24") }.map { $0.prefix { $0 != "▄" && $0 != "=" } }
                    #expect(labels.count == 2 && labels[0] != labels[1], "two rows are told apart")
                    #expect(isUnicode || lines.allSatisfy { $0.allSatisfy(\.isASCII) })
                }
            }
            #expect(try RunView(of: folder).shortLines(Self.style).count <= 18)
        }
    }

    @Test("a record without steps or measurements has a view too, and a folder without a record is refused")
    func empty() throws {
        try Self.withRun(layers: 0) { folder in
            #expect(try RunView(of: folder).layers.isEmpty)
            #expect(try !RunView(of: folder).lines(Self.style).isEmpty)
            try FileManager.default.removeItem(atPath: "\(folder)/run.sqlite")
            try RunRecord(path: "\(folder)/run.sqlite").close()
            #expect(try RunView(of: folder).lines(Self.style).count == 1)
            try FileManager.default.removeItem(atPath: "\(folder)/run.sqlite")
            #expect { try RunView(of: folder) } throws: { "\($0)".contains("there is no run.sqlite") }
        }
    }

    @Test("a narrow terminal takes from the labels, not from the numbers")
    func narrow() {
        var table = SparkTable(["layers", "depth", "min … max", "time", "median over time"])
        let label = "D22 representation participation ratio of everything"
        table.append([label, "", "0.3712 … 1.234 ± 0.012", "", "0.5012 → 0.6034"], sparks: [1: [1, 2], 3: [1, 2]])
        let lines = table.lines(TerminalStyle(width: 80, isUnicode: true))
        #expect(lines.allSatisfy { $0.count <= 80 } && lines[1].hasSuffix("0.5012 → 0.6034"))
        #expect(lines[1].contains("0.3712 … 1.234 ± 0.012") && lines[1].hasPrefix("D22 ") && lines[1].contains("…verything"))
    }

    @Test("a long reason takes no room from the labels")
    func longReason() {
        var table = SparkTable(["the whole network", "value"])
        table.append(["D14 hessian lambda max", "18"])
        table.append("D19 noise scale", note: "n/a: \(String(repeating: "why ", count: 40))")
        let lines = table.lines(TerminalStyle(width: 80, isUnicode: true))
        #expect(
            lines[1] == "D14 hessian lambda max  18" && lines[2].hasPrefix("D19 noise scale         n/a: why")
                && lines[2].count == 80)
    }

    @Test("the record as comma-separated values has every measurement once")
    func csv() throws {
        try Self.withRun { folder in
            let lines = try RunTable.lines(directory: folder)
            #expect(
                lines[0] == "step,layer,diagnostic,quantity,value,uncertainty,reason" && lines.contains("3,,,train loss,0.25,,"))
            #expect(
                lines.contains("8,3,D18,some_new_thing,1000.0,0.4,") && lines.contains("8,2,D3,condition_number,,,rank deficient"))
            #expect(lines.filter { $0.contains(",D") }.count == 2 * (4 * 3 + 4) && Set(lines).count == lines.count)
        }
    }

    @Test("the locale decides between blocks and letters")
    func locale() {
        #expect(TerminalStyle.isUnicode(["LANG": "de_DE.UTF-8"]) && TerminalStyle.isUnicode(["LC_CTYPE": "C.utf8", "LANG": "C"]))
        #expect(!TerminalStyle.isUnicode([:]) && !TerminalStyle.isUnicode(["LC_ALL": "C", "LANG": "de_DE.UTF-8"]))
        #expect(
            TerminalStyle.ofThisTerminal(["COLUMNS": "300"]).width == 120
                && TerminalStyle.ofThisTerminal(["COLUMNS": "9"]).width == 80)
    }
}
