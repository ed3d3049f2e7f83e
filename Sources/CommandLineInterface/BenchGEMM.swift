import ArgumentParser
import Foundation
import LinearAlgebra

/// The rates of a network's own matrix products.
struct BenchGEMM: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gemm",
        abstract: "Rates of one thread's float32 matrix products at the shapes of a dense network's step: W·X, Wᵀ·G and G·Xᵀ.")

    @Option(help: "Units of a layer.") var width: Int = 1024
    @Option(help: "Layers, the embedding among them.") var depth: Int = 8
    @Option(help: "Features of an example.") var inputs: Int = 784
    @Option(help: "Classes.") var outputs: Int = 10
    @Option(help: "Examples a step.") var batch: Int = 128
    @Option(help: "Measured rounds.") var rounds: Int = 15
    @Flag(help: "Print one object of JSON.") var json = false

    func validate() throws {
        for (name, value) in [("width", width), ("inputs", inputs), ("outputs", outputs), ("batch", batch)]
        where value < 1 || value > 1 << 14 {
            throw ValidationError("--\(name) is \(value); 1 to \(1 << 14) can be measured.")
        }
        if depth < 1 || depth > 1 << 16 { throw ValidationError("--depth is \(depth); 1 to \(1 << 16) layers can be measured.") }
        if rounds < 1 || rounds > 10_000 { throw ValidationError("--rounds is \(rounds); 1 to 10000 rounds can be measured.") }
    }

    func run() throws {
        let before = MachineLoad.now
        let products = NetworkProduct.all(width: width, depth: depth, inputs: inputs, outputs: outputs, batch: batch)
        let result = GEMMBenchmark(
            network: "\(inputs)→[\(width)]×\(depth)→\(outputs)", batch: batch, rounds: rounds,
            blasCore: NumericFingerprint.currentCore, rows: NetworkProduct.measure(products, rounds: rounds), loadBefore: before,
            loadAfter: MachineLoad.now)
        if json { print(try result.json()) } else { result.lines.forEach { print($0) } }
    }
}

/// A matrix product that a step makes, `[m, k]·[k, n]`.
struct NetworkProduct: Hashable, Sendable {
    enum Kind: String, CaseIterable, Encodable, Sendable {
        /// Y = W·X
        case forward = "W·X"
        /// dX = Wᵀ·G
        case inputGradient = "Wᵀ·G"
        /// dW = G·Xᵀ
        case weightGradient = "G·Xᵀ"
    }

    var layer: String
    /// How many such products a step makes.
    var count: Int
    var kind: Kind
    /// Of the weights W.
    var rows: Int
    var columns: Int
    var batch: Int

    /// Multiplications and additions of one product.
    var operations: Double { 2 * Double(rows) * Double(columns) * Double(batch) }

    /// A step's products; the data have no gradient.
    static func all(width: Int, depth: Int, inputs: Int, outputs: Int, batch: Int) -> [NetworkProduct] {
        let layers = [("embedding", 1, width, inputs), ("layers", depth - 1, width, width), ("readout", 1, outputs, width)]
        return layers.flatMap { name, count, rows, columns in
            Kind.allCases.filter { count > 0 && !(name == "embedding" && $0 == .inputGradient) }.map {
                NetworkProduct(layer: name, count: count, kind: $0, rows: rows, columns: columns, batch: batch)
            }
        }
    }

    /// Measures every product in turn, round by round, on the calling thread.
    static func measure(_ products: [NetworkProduct], rounds: Int) -> [GEMMMeasurement] {
        var stopwatches = products.map(ProductStopwatch.init)
        var rates = products.map { _ in [Double]() }
        for _ in 0..<rounds { for index in stopwatches.indices { rates[index].append(stopwatches[index].gigaflops()) } }
        let best = rates.flatMap { $0 }.max() ?? 1
        return zip(products, rates).map { product, rates in
            let spread = Spread(rates)
            return GEMMMeasurement(
                layer: product.layer, product: product.kind, count: product.count, rows: product.rows, columns: product.columns,
                gigaflops: spread, share: spread.median / best)
        }
    }
}

/// One product, timed again and again.
private struct ProductStopwatch {
    private let product: NetworkProduct
    private let a: Matrix
    private let b: Matrix
    private var c: Matrix
    /// So many in a lap that it is long beside the clock's grain.
    private var repetitions = 1

    init(_ product: NetworkProduct) {
        func filled(_ rows: Int, _ columns: Int) -> Matrix {
            var matrix = Matrix(rows: rows, columns: columns)
            var span = matrix.mutableSpan
            CounterRNG(seed: 1, purpose: "bench").fillNormal(&span, standardDeviation: 0.03)
            return matrix
        }
        self.product = product
        let (m, n, batch) = (product.rows, product.columns, product.batch)
        switch product.kind {
        case .forward: (a, b, c) = (filled(m, n), filled(n, batch), Matrix(rows: m, columns: batch))
        case .inputGradient: (a, b, c) = (filled(m, n), filled(m, batch), Matrix(rows: n, columns: batch))
        case .weightGradient: (a, b, c) = (filled(m, batch), filled(n, batch), Matrix(rows: m, columns: n))
        }
        _ = gigaflops()
        let rate = gigaflops()
        repetitions = max(1, min(100_000, Int(0.003 * rate * 1e9 / product.operations)))
    }

    /// 10⁹ operations a second of the thread's processor time.
    mutating func gigaflops() -> Double {
        let (a, b, kind, repetitions) = (a, b, product.kind, repetitions)
        let start = ThreadClock.seconds()
        for _ in 0..<repetitions {
            var view = c.mutableView
            BLAS.gemm(a.view, transposeA: kind == .inputGradient, b.view, transposeB: kind == .weightGradient, into: &view)
        }
        return Double(repetitions) * product.operations / max(1e-9, ThreadClock.seconds() - start) * 1e-9
    }
}

/// The rate of one kind of product of some layers.
struct GEMMMeasurement: Encodable, Sendable {
    var layer: String
    var product: NetworkProduct.Kind
    /// How many such products a step makes.
    var count: Int
    /// Of the weights.
    var rows: Int
    var columns: Int
    /// 10⁹ operations a second.
    var gigaflops: Spread
    /// The median over the best rate that any product has reached.
    var share: Double
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

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    var lines: [String] {
        var table = TextTable("\(network), batch \(batch)", "product", "a step", "GFLOP/s", "least", "most", "of the best")
        for row in rows {
            table.append(
                "\(row.layer) \(row.rows) × \(row.columns)", row.product.rawValue, "\(row.count)",
                Figures.short(row.gigaflops.median), Figures.short(row.gigaflops.least), Figures.short(row.gigaflops.most),
                Figures.percent(row.share))
        }
        return table.lines() + [
            "medians of \(rounds) rounds, one thread, kernels \(blasCore), load \(loadBefore) before and \(loadAfter) after"
        ]
    }
}
