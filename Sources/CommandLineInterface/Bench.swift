import ArgumentParser
import ExperimentFile
import Foundation
import LinearAlgebra
import Training

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures speed, each ratio interleaved in one run.",
        subcommands: [
            BenchStep.self, BenchLayers.self, BenchCurvature.self, BenchPushPull.self, BenchGEMM.self, BenchLink.self,
        ])
}

/// One step of the reference trainer beside its own matrix products alone.
struct BenchStep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step", abstract: "A training step over the time of its own matrix products replayed alone, on one core.")

    @Option(help: "Units of a layer.") var width: Int = 1024
    @Option(help: "Layers, the embedding among them.") var depth: Int = 8
    @Option(help: "Features of an example.") var inputs: Int = 784
    @Option(help: "Classes.") var outputs: Int = 10
    @Option(help: "Examples a step.") var batch: Int = 128
    @Option(help: "Measured rounds.") var rounds: Int = 15
    @Flag(help: "Print one object of JSON.") var json = false

    func run() throws {
        let yaml = """
            data: { source: synthetic, examples: \(max(1024, 2 * batch)), features: \(inputs), classes: \(outputs), validation: 0 }
            model:
              width: \(width)
              depth: \(depth - 1)
              path: { family: dense, init: he }
              correction: { kind: none }
              activation: relu
              embedding: { activation: relu }
            optimizer: { kind: sgd, learningRate: 0.001, momentum: 0.9 }
            training: { batch: \(batch), partitions: 1, steps: 1000000, onNonFinite: continue, validateEvery: 0 }
            diagnostics: { every: 0 }
            """
        let experiment = try Experiment(yaml: yaml, source: "bench step")
        var trainer = ReferenceTrainer(try ExperimentOptions.plan(experiment))
        var products = StepProducts(width: width, layers: depth - 1, inputs: inputs, outputs: outputs, batch: batch)
        var (steps, gemms): ([Double], [Double]) = ([], [])
        for round in 0..<rounds + 3 {
            let step = try seconds { _ = try trainer.takeStep() }
            let gemm = seconds { products.run() }
            if round >= 3 {
                steps.append(step)
                gemms.append(gemm)
            }
        }
        report(steps.sorted(), gemms.sorted())
    }

    private func seconds(_ body: () throws -> Void) rethrows -> Double {
        let start = ContinuousClock.now
        try body()
        let took = ContinuousClock.now - start
        return Double(took.components.seconds) + Double(took.components.attoseconds) * 1e-18
    }

    private func report(_ steps: [Double], _ gemms: [Double]) {
        let (step, gemm) = (steps[steps.count / 2], gemms[gemms.count / 2])
        let load =
            (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8))?.split(separator: " ").first.map(String.init) ?? "?"
        if json {
            print(
                "{\"stepSeconds\":\(step),\"gemmSeconds\":\(gemm),\"ratio\":\(step / gemm),\"samplesPerSecond\":\(Double(batch) / step),\"load\":\"\(load)\"}"
            )
            return
        }
        var table = TextTable("\(inputs)→[\(width)]×\(depth)→\(outputs), batch \(batch)", "median ms", "least", "most")
        for (name, times) in [("step", steps), ("its products alone", gemms)] {
            table.append(
                name, Figures.short(times[times.count / 2] * 1000), Figures.short(times[0] * 1000),
                Figures.short(times[times.count - 1] * 1000))
        }
        table.lines().forEach { print($0) }
        print("ratio \(Figures.short(step / gemm)), \(Figures.count(Double(batch) / step)) samples/s, load \(load)")
    }
}

/// The matrix products of a dense network's step, in the step's shapes, layouts and order.
struct StepProducts {
    private let width: Int, layers: Int, inputs: Int, outputs: Int, batch: Int
    private var weights: [Matrix]
    private var weightGradients: [Matrix]
    private var activations: [Matrix]
    private var gradients: [Matrix]
    private let data: Matrix
    private var logits: Matrix

    init(width: Int, layers: Int, inputs: Int, outputs: Int, batch: Int) {
        (self.width, self.layers, self.inputs, self.outputs, self.batch) = (width, layers, inputs, outputs, batch)
        func filled(_ rows: Int, _ columns: Int) -> Matrix {
            var matrix = Matrix(rows: rows, columns: columns)
            var span = matrix.mutableSpan
            CounterRNG(seed: 1, purpose: "bench").fillNormal(&span, standardDeviation: 0.03)
            return matrix
        }
        let shapes = [(width, inputs)] + Array(repeating: (width, width), count: layers) + [(outputs, width)]
        weights = shapes.map { filled($0.0, $0.1) }
        weightGradients = shapes.map { Matrix(rows: $0.0, columns: $0.1) }
        activations = (0...layers).map { _ in filled(width, batch) }
        gradients = [filled(width, batch), filled(width, batch)]
        data = filled(inputs, batch)
        logits = filled(outputs, batch)
    }

    mutating func run() {
        Self.multiply(weights[0], data, into: &activations[0])
        for layer in 0..<layers {
            let x = activations[layer]
            Self.multiply(weights[layer + 1], x, into: &activations[layer + 1])
        }
        let last = activations[layers]
        Self.multiply(weights[layers + 1], last, into: &logits)
        Self.multiply(weights[layers + 1], transposeA: true, logits, into: &gradients[0])
        Self.multiply(logits, last, transposeB: true, into: &weightGradients[layers + 1])
        for layer in (0..<layers).reversed() {
            let (g, x) = (gradients[0], activations[layer])
            Self.multiply(weights[layer + 1], transposeA: true, g, into: &gradients[1])
            Self.multiply(g, x, transposeB: true, into: &weightGradients[layer + 1])
        }
        let g = gradients[0]
        Self.multiply(g, data, transposeB: true, into: &weightGradients[0])
    }

    private static func multiply(
        _ a: Matrix, transposeA: Bool = false, _ b: Matrix, transposeB: Bool = false, into c: inout Matrix
    ) {
        var view = c.mutableView
        BLAS.gemm(a.view, transposeA: transposeA, b.view, transposeB: transposeB, into: &view)
    }
}

/// The speed of one matrix product.
enum GEMMSpeed {
    /// The best of several 1024 × 1024 · 1024 × 128 products, in 10⁹ operations a second.
    static func gigaflops() -> Double {
        let (a, b) = (Matrix(rows: 1024, columns: 1024), Matrix(rows: 1024, columns: 128))
        var c = Matrix(rows: 1024, columns: 128)
        var best = Double.infinity
        for _ in 0..<20 {
            let start = ContinuousClock.now
            do {
                var view = c.mutableView
                BLAS.gemm(a.view, b.view, into: &view)
            }
            let took = ContinuousClock.now - start
            best = min(best, Double(took.components.attoseconds) * 1e-18)
        }
        return 2 * 1024 * 1024 * 128 / best * 1e-9
    }
}
