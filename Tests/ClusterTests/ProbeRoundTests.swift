import Foundation
import Testing

/// Probes by real processes: what all workers measure together has the bits of one process, and changes none.
@Suite("Probe rounds", .serialized)
struct ProbeRoundTests {
    static func experiment(_ folder: String, _ diagnostics: String) throws -> String {
        let file = "\(folder)/experiment.yaml"
        try """
        data: { source: spirals, points: 200 }
        model:
          width: 12
          depth: 3
          path: { family: householder, reflectors: 4 }
          correction: { kind: bottleneck, rank: 4, cap: 2/sqrt(L) }
        optimizer: { kind: adam, learningRate: 0.01 }
        training: { batch: 32, partitions: 4, steps: 30, checkpointEvery: 10 }
        diagnostics: { \(diagnostics) }
        """.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    static let everything = "every: 10, select: [all], budget: none, probeExamples: 16, lanczosRuns: 2, lanczosSteps: 5"

    @Test("every row of every diagnostic is the same from 1, 2 and 4 workers and from one process")
    func sameRows() throws {
        try Program.inTemporaryFolder { folder in
            let file = try Self.experiment(folder, Self.everything)
            let reference = try FamilyBitsTests.train([file, "--reference", "--run-dir", "\(folder)/reference"])
            #expect(reference.status == 0, "\(reference.errors)")
            let bits = try #require(reference.json["weightsSHA256"] as? String)
            let expected = RunFolder(path: "\(folder)/reference")
            let rows = try expected.lawfulRows()
            for (workers, placement) in [
                (1, "coordinator"), (2, "coordinator"), (4, "coordinator"), (1, "workers"), (3, "workers"),
            ] {
                let directory = "\(folder)/\(workers)-\(placement)"
                let run = try FamilyBitsTests.train([
                    file, "--run-dir", directory, "--set", "cluster.workers=\(workers)", "--set", "training.placement=\(placement)",
                ])
                #expect(run.status == 0, "\(run.errors)")
                #expect(run.json["weightsSHA256"] as? String == bits, "\(directory)")
                #expect(try RunFolder(path: directory).lawfulRows() == rows, "\(directory)")
            }
            let measured = try expected.texts("SELECT DISTINCT diagnostic FROM layer_diagnostics ORDER BY diagnostic")
            for id in ["D1", "D5", "D8", "D9", "D10", "D11", "D13", "D14", "D16", "D17", "D22", "D23", "D24", "D25", "D26"] {
                #expect(measured.contains(id), "\(id) is not in the record")
            }
            let versions = try expected.numbers(
                "SELECT DISTINCT step FROM layer_diagnostics WHERE diagnostic = 'D14' ORDER BY step")
            #expect(versions == [0, 10, 20, 30])
        }
    }

    @Test("a budget of nothing measures nothing between steps, and the record says so of every diagnostic")
    func budgetOfNothing() throws {
        try Program.inTemporaryFolder { folder in
            let file = try Self.experiment(folder, "every: 10, select: [all], budget: 0, probeExamples: 16")
            let run = try FamilyBitsTests.train([file, "--run-dir", "\(folder)/run", "--set", "cluster.workers=1"])
            #expect(run.status == 0, "\(run.errors)")
            let record = RunFolder(path: "\(folder)/run")
            #expect(try record.numbers("SELECT COUNT(*) FROM measurements") == [0])
            #expect(try record.numbers("SELECT COUNT(*) FROM layer_diagnostics WHERE diagnostic = 'D1'") == [0])
            #expect(try record.numbers("SELECT COUNT(*) FROM layer_diagnostics WHERE diagnostic = 'D12'") != [0])
            let said = try record.texts("SELECT subject FROM events WHERE kind = 'diagnostics interval' ORDER BY subject")
            #expect(["spectrum", "tails", "update", "caps", "jacobian", "curvature"].allSatisfy(said.contains), "\(said)")
        }
    }

    @Test("a probe of more examples than there are is refused before anything is trained")
    func tooManyExamples() throws {
        try Program.inTemporaryFolder { folder in
            let file = try Self.experiment(folder, "every: 10, select: [all], probeExamples: 200")
            let run = try FamilyBitsTests.train([file, "--reference", "--run-dir", "\(folder)/run"])
            #expect(run.status != 0)
            #expect(run.errors.contains("diagnostics.probeExamples is 200") && run.errors.contains("is the most"), "\(run.errors)")
        }
    }

    /// What only other experiments measure, or `plumb inspect --data`.
    static let elsewhere: Set<String> = [
        "threshold_gradient_descent", "threshold_heavy_ball", "output_clip_utilisation_mean", "output_clip_utilisation_max",
        "empirical_fisher_lambda_max", "empirical_fisher_trace",
    ]

    @Test("every quantity that a run measures is in the documentation, under its diagnostic, and no other")
    func documented() throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "docs/run-record.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let section = try #require(text.components(separatedBy: "## Every quantity").dropFirst().first)
        var documented: Set<String> = []
        for line in section.split(separator: "\n") where line.hasPrefix("| D") || line.hasPrefix("| caps") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            let names = cells[1].split(separator: "`").map(String.init).filter {
                $0.allSatisfy { $0 == "_" || $0.isLetter || $0.isNumber }
            }
            for name in names { documented.insert("\(cells[0]) \(name)") }
        }
        try Program.inTemporaryFolder { folder in
            let file = try Self.experiment(folder, Self.everything)
            #expect(try FamilyBitsTests.train([file, "--reference", "--run-dir", "\(folder)/run"]).status == 0)
            let run = RunFolder(path: "\(folder)/run")
            let nodes = "quantity GLOB 'density_node_*' OR quantity GLOB 'density_weight_0*'"
            let measured = Set(
                try run.texts("SELECT DISTINCT diagnostic || ' ' || quantity FROM layer_diagnostics WHERE NOT (\(nodes))")
                    + ["D17 density_node_000", "D17 density_weight_000"])
            #expect(measured.subtracting(documented).isEmpty, "\(measured.subtracting(documented).sorted())")
            let missing = documented.subtracting(measured).filter { !Self.elsewhere.contains(String($0.split(separator: " ")[1])) }
            #expect(missing.isEmpty, "\(missing.sorted())")
            // Two runs of five steps, and weights that sum to 1.
            let counts = try run.numbers("SELECT COUNT(*) FROM layer_diagnostics WHERE \(nodes) GROUP BY step")
            #expect(counts == [20, 20, 20, 20])
            let sums = try run.numbers(
                "SELECT ROUND(1e6 * SUM(value)) FROM layer_diagnostics WHERE quantity GLOB 'density_weight_0*' GROUP BY step")
            #expect(sums == Array(repeating: 1_000_000, count: 4))
        }
    }

    @Test("beyond diagnostics.completeUpTo a spectrum is marked, as is what needs all of it")
    func partialSpectra() throws {
        try Program.inTemporaryFolder { folder in
            let file = try Self.experiment(folder, "every: 10, select: [spectrum, update], budget: none, completeUpTo: 8")
            #expect(try FamilyBitsTests.train([file, "--reference", "--run-dir", "\(folder)/run"]).status == 0)
            let run = RunFolder(path: "\(folder)/run")
            let totals = "SELECT total FROM spectra WHERE step = 0 AND layer"
            #expect(try run.numbers("\(totals) IN (1, 2, 3)") == [12, 12, 12])
            #expect(try run.numbers("SELECT COUNT(*) FROM spectra WHERE residual > 0 AND layer IN (1, 2, 3)") == [12])
            let reasons = try run.texts(
                "SELECT DISTINCT reason FROM layer_diagnostics WHERE quantity = 'effective_rank' AND layer IN (1, 2, 3)")
            #expect(!reasons.isEmpty && reasons.allSatisfy { $0.hasSuffix("largest singular values are known") }, "\(reasons)")
            let ranks = try run.numbers(
                "SELECT COUNT(value) FROM layer_diagnostics WHERE quantity = 'update_effective_rank' AND layer = 1")
            #expect(ranks == [0])
        }
    }

    @Test("diagnostics on or off, any selection, any budget: the same weights")
    func sameWeights() throws {
        try Program.inTemporaryFolder { folder in
            var bits = Set<String>()
            let choices = [
                "every: 0", Self.everything, "every: 7, select: [curvature], lanczosRuns: 1, lanczosSteps: 3",
                "every: 3, select: ['D1*'], layers: ['layers.1'], budget: none", "every: 1, select: [all], budget: 0.01%",
            ]
            for (number, choice) in choices.enumerated() {
                let file = try Self.experiment(folder, choice)
                let run = try FamilyBitsTests.train([file, "--run-dir", "\(folder)/\(number)", "--set", "cluster.workers=2"])
                #expect(run.status == 0, "\(choice): \(run.errors)")
                bits.insert(try #require(run.json["weightsSHA256"] as? String))
            }
            #expect(bits.count == 1)
            let off = RunFolder(path: "\(folder)/0")
            #expect(try off.rows("layer_diagnostics").isEmpty && off.rows("measurements").isEmpty)
            let chosen = try RunFolder(path: "\(folder)/3").numbers(
                "SELECT DISTINCT layer FROM layer_diagnostics WHERE layer NOT NULL")
            #expect(chosen == [2])
            let bounded = RunFolder(path: "\(folder)/4")
            #expect(try !bounded.texts("SELECT detail FROM events WHERE kind = 'diagnostics interval'").isEmpty)
        }
    }

    @Test("a worker that is killed in a probe changes no row", arguments: [1, 2], ["coordinator", "workers"])
    func killed(number: Int, placement: String) throws {
        try Program.inTemporaryFolder { folder in
            let file = try Self.experiment(folder, Self.everything)
            _ = try FamilyBitsTests.train([file, "--reference", "--run-dir", "\(folder)/reference"])
            for version in [0, 10, 30] {
                let run = try FamilyBitsTests.train(
                    [
                        file, "--run-dir", "\(folder)/\(version)", "--set", "cluster.workers=3", "--set",
                        "training.placement=\(placement)",
                    ],
                    environment: ["PLUMB_FAILPOINT": "worker-\(number):probe:\(version)"])
                #expect(run.status == 0, "\(run.errors)")
                #expect(
                    try RunFolder(path: "\(folder)/\(version)").lawfulRows() == RunFolder(path: "\(folder)/reference").lawfulRows())
                let lost = try RunFolder(path: "\(folder)/\(version)").numbers(
                    "SELECT step FROM membership WHERE change != 'joined'")
                #expect(lost.first == version, "it died in the probe")
            }
        }
    }
}
