import ArgumentParser
import LinearAlgebra

/// The rates of a network's own matrix products.
struct BenchGEMM: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gemm",
        abstract: "Rates of one thread's float32 matrix products at the shapes of a dense network's step: W·X, Wᵀ·G and G·Xᵀ.")

    @OptionGroup var shape: NetworkShapeOptions
    @Flag(help: "Print one object of JSON.") var json = false

    func run() throws {
        let before = MachineLoad.now
        let products = NetworkProduct.all(of: shape)
        let result = GEMMBenchmark(
            network: shape.title, batch: shape.batch, rounds: shape.rounds, blasCore: NumericFingerprint.currentCore,
            rows: NetworkProduct.measure(products, rounds: shape.rounds), loadBefore: before, loadAfter: MachineLoad.now)
        if json { print(try SortedJSON.text(result)) } else { result.lines.forEach { print($0) } }
    }
}

/// What one run of `bench gemm` has measured.
struct GEMMBenchmark: Encodable, Sendable {
    var network: String
    var batch: Int
    var rounds: Int
    var blasCore: String
    var rows: [GEMMMeasurement]
    /// The machine's load average of the last minute.
    var loadBefore: String
    var loadAfter: String

    var lines: [String] {
        var table = TextTable("\(network), batch \(batch)", "product", "a step", "GFLOP/s", "least", "most", "of the best")
        for row in rows {
            table.append(
                "\(row.layer) \(row.rows) × \(row.columns)", row.product.rawValue, "\(row.count)",
                Figures.short(row.gigaflops.median), Figures.short(row.gigaflops.least), Figures.short(row.gigaflops.most),
                Figures.percent(row.share))
        }
        return table.lines() + [
            MachineLoad.sentence(rounds: rounds, before: loadBefore, after: loadAfter, "one thread, kernels \(blasCore), ")
        ]
    }
}
