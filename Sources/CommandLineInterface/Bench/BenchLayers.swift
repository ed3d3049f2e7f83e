import ArgumentParser
import ExperimentFile
import Foundation
import LinearAlgebra
import StructuredLayers

/// One layer of each family beside a dense one.
struct BenchLayers: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layers",
        abstract: "Forward, backward and one derivation of a layer of each family over a dense layer's, by turns, on one core.")

    @Option(name: .customLong("family"), parsing: .singleValue, help: "A family to measure; all by default. May be repeated.")
    var families: [String] = []

    @Option(name: .customLong("width"), parsing: .singleValue, help: "Units of a layer; 1024 by default. May be repeated.")
    var widths: [Int] = []

    @Option(help: "Examples a pass.") var batch: Int = 128
    @Option(help: "Measured rounds.") var rounds: Int = 15
    @Flag(help: "Print one object of JSON for each width.") var json = false
    @Flag(help: "Print the table of the documentation, by default at widths 256 and 1024.") var markdown = false

    func validate() throws {
        if let width = widths.first(where: { $0 < 1 || $0 > 1 << 14 }) {
            throw ValidationError("--width is \(width); 1 to \(1 << 14) units can be measured.")
        }
        if batch < 1 || batch > 1 << 16 { throw ValidationError("--batch is \(batch); 1 to \(1 << 16) examples can be measured.") }
        if rounds < 1 { throw ValidationError("--rounds is \(rounds); at least 1 is needed.") }
        if json && markdown { throw ValidationError("--json and --markdown: choose one.") }
    }

    func run() throws {
        let (configurations, absent) = LayerConfiguration.chosen(families, of: Invocation.families)
        if let unknown = families.first(where: { absent.contains($0) }) {
            throw RefusedInput(
                "--family \(unknown): there is no such family; there are " + Invocation.families.pathNames.joined(separator: ", "))
        }
        let skipped = absent.map { "\($0): \(Invocation.program) does not have it" }
        var results: [LayerBenchmark] = []
        for width in widths.isEmpty ? (markdown ? [256, 1024] : [1024]) : widths {
            results.append(try benchmark(configurations, width: width, skipped: skipped))
            if json { print(try SortedJSON.text(results[results.count - 1])) }
        }
        if markdown { LayerTables.markdown(results).forEach { print($0) } }
        if !json && !markdown { results.flatMap(LayerTables.plain).forEach { print($0) } }
    }

    private func benchmark(_ configurations: [LayerConfiguration], width: Int, skipped: [String]) throws -> LayerBenchmark {
        let before = MachineLoad.now
        var comparison: LayerComparison
        var skipped = skipped
        do {
            comparison = try LayerComparison(width: width, batch: batch, families: Invocation.families)
            for configuration in configurations {
                do { try comparison.add(configuration) } catch {
                    // A family that was asked for by name, or that a table would miss, is not left out in silence.
                    guard families.isEmpty, !markdown else { throw error }
                    skipped.append("\(configuration.family): \(error)")
                }
            }
        } catch let error as SpecificationError { throw RefusedInput("bench layers at width \(width): \(error)") }
        return LayerBenchmark(
            width: width, batch: batch, rounds: rounds, processor: Self.processor(), blasCore: NumericFingerprint.currentCore,
            date: Self.date(), layers: try comparison.run(rounds: rounds), skipped: skipped, loadBefore: before,
            loadAfter: MachineLoad.now)
    }

    private static func processor() -> String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "an unknown processor"
    }

    private static func date() -> String { String(Date.now.formatted(.iso8601).prefix(10)) }
}

/// What one run of `bench layers` has measured at one width.
struct LayerBenchmark: Encodable, Sendable {
    var width: Int
    var batch: Int
    var rounds: Int
    var processor: String
    var blasCore: String
    var date: String
    var layers: [LayerMeasurement]
    /// Families of the list that were not measured, with the reason.
    var skipped: [String]
    /// The machine's load average of the last minute.
    var loadBefore: String
    var loadAfter: String

}

/// What was measured, for people.
enum LayerTables {
    static func plain(_ result: LayerBenchmark) -> [String] {
        var table = TextTable(
            "width \(result.width), batch \(result.batch)", "parameters", "flops/example", "certificate", "forward+backward ms",
            "derive ms", "ratio", "least", "most")
        for layer in result.layers {
            table.append(
                layer.title, Figures.count(Double(layer.parameters)),
                layer.flopsPerExample.map(Figures.count) ?? "n/a", layer.certificate,
                Figures.short(layer.forwardBackwardMilliseconds.median), Figures.short(layer.deriveMilliseconds.median),
                Figures.short(layer.ratio.median), Figures.short(layer.ratio.least), Figures.short(layer.ratio.most))
        }
        return table.lines() + [
            "medians of \(result.rounds) rounds, processor time; ratio of forward, backward and one derivation to a dense layer's in the same round",
            conditions(result),
        ] + result.skipped.map { "skipped \($0)" } + [""]
    }

    private static func conditions(_ result: LayerBenchmark) -> String {
        "one core of \(result.processor), OpenBLAS \(result.blasCore) kernels, load \(result.loadBefore) before and "
            + "\(result.loadAfter) after, \(result.date)"
    }

    /// One row a layer; costs at every width measured, side by side.
    static func markdown(_ results: [LayerBenchmark]) -> [String] {
        guard let last = results.last else { return [] }
        let widths = results.map(\.width)
        func header(_ name: String) -> [String] { widths.map { "\(name), n = \($0)" } }
        let titles =
            ["layer"] + header("parameters") + header("flops an example") + header("forward + backward ms")
            + header("ratio to dense") + ["certificate, n = \(last.width)"]
        func row(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
        var lines = [row(titles), row(titles.map { _ in "---" })]
        for index in last.layers.indices {
            let layers = results.map { $0.layers[index] }
            lines.append(
                row(
                    [layers[layers.count - 1].title]
                        + layers.map { Figures.count(Double($0.parameters)) }
                        + layers.map { $0.flopsPerExample.map(Figures.count) ?? "n/a" }
                        + layers.map { Figures.short($0.forwardBackwardMilliseconds.median) }
                        + layers.map { Figures.short($0.ratio.median) } + [layers[layers.count - 1].certificate]))
        }
        return lines + [
            "",
            "`bench layers --markdown`: batch \(last.batch), medians of \(last.rounds) rounds, processor time; the ratio is of forward, backward and one "
                + "derivation to a dense layer's measured by turns; the certificate is of a new layer moved a little. "
                + "\(conditions(last).prefix(1).uppercased())\(conditions(last).dropFirst()).",
        ]
    }
}
