import ArgumentParser
import ExperimentFile
import LinearAlgebra
import ParameterServer
import Training

/// One step of the reference trainer beside its own matrix products alone.
struct BenchStep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step", abstract: "A training step over the time of its own matrix products replayed alone, on one core.")

    @OptionGroup var shape: NetworkShapeOptions
    @Flag(help: "Print one object of JSON.") var json = false

    func run() throws {
        let before = MachineLoad.now
        let (width, depth, batch) = (shape.width, shape.depth, shape.batch)
        let yaml = """
            data: { source: synthetic, examples: \(max(1024, 2 * batch)), features: \(shape.inputs), classes: \(shape.outputs), validation: 0 }
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
        var products = StepProducts(width: width, layers: depth - 1, inputs: shape.inputs, outputs: shape.outputs, batch: batch)
        var (steps, gemms): ([Double], [Double]) = ([], [])
        for round in 0..<shape.rounds + 3 {
            let step = try seconds { _ = try trainer.takeStep() }
            let gemm = seconds { products.run() }
            if round >= 3 {
                steps.append(step)
                gemms.append(gemm)
            }
        }
        let result = StepBenchmark(
            network: shape.title, batch: batch, rounds: shape.rounds, stepSeconds: Spread(steps), gemmSeconds: Spread(gemms),
            ratio: Spread(zip(steps, gemms).map { $0 / $1 }), loadBefore: before, loadAfter: MachineLoad.now)
        if json { print(try SortedJSON.text(result)) } else { result.lines.forEach { print($0) } }
    }

    private func seconds(_ body: () throws -> Void) rethrows -> Double {
        let start = ContinuousClock.now
        try body()
        return (ContinuousClock.now - start).inSeconds
    }
}

/// What one run of `bench step` has measured.
struct StepBenchmark: Encodable, Sendable {
    var network: String
    var batch: Int
    var rounds: Int
    var stepSeconds: Spread
    var gemmSeconds: Spread
    /// Of a step over its products in the same round.
    var ratio: Spread
    /// The machine's load average of the last minute.
    var loadBefore: String
    var loadAfter: String

    var lines: [String] {
        var table = TextTable("\(network), batch \(batch)", "median ms", "least", "most")
        for (name, times) in [("step", stepSeconds), ("its products alone", gemmSeconds)] {
            table.append([name] + [times.median, times.least, times.most].map { Figures.short($0 * 1000) })
        }
        return table.lines() + [
            "ratio \(Figures.short(ratio.median)) (\(Figures.short(ratio.least)) to \(Figures.short(ratio.most))), "
                + "\(Figures.count(Double(batch) / stepSeconds.median)) samples/s",
            MachineLoad.sentence(rounds: rounds, before: loadBefore, after: loadAfter),
        ]
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
        let shapes = [(width, inputs)] + Array(repeating: (width, width), count: layers) + [(outputs, width)]
        weights = shapes.map { Matrix.measured($0.0, $0.1) }
        weightGradients = shapes.map { Matrix(rows: $0.0, columns: $0.1) }
        activations = (0...layers).map { _ in Matrix.measured(width, batch) }
        gradients = [Matrix.measured(width, batch), Matrix.measured(width, batch)]
        data = Matrix.measured(inputs, batch)
        logits = Matrix.measured(outputs, batch)
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
