import ArgumentParser
import Cluster
import Foundation
import LinearAlgebra
import RunStore
import SpectralDiagnostics
import StructuredLayers

/// The Hessian's top eigenvalue and density of a dense network from a file, for comparison with other programs.
struct BenchCurvature: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "curvature",
        abstract: """
            Time of the Hessian's largest eigenvalue and of its density, of a dense network and a batch in a file; one core, in a \
            process whose memory is warm.
            """,
    )

    @Argument(
        help:
            "A safetensors file: embedding.weight, embedding.bias, layers.N.path.weight, layers.N.bias, readout.weight, readout.bias, and the batch as batch.inputs [examples, inputs] and batch.labels [examples]."
    )
    var file: String

    @Option(help: "Applied after every layer but the readout.") var activation: String = "relu"
    @Option(help: "Products of a run of the density.") var steps: Int = 100
    @Option(help: "Runs of the density.") var probes: Int = 1
    @Option(help: "Relative error at which the largest eigenvalue is known well enough.") var tolerance: Double = 1e-3
    @Option(help: "Seed of the start vectors.") var seed: UInt64 = 0
    @Flag(help: "Print one object of JSON.") var json = false

    func validate() throws {
        if steps < 1 || steps > 1000 { throw ValidationError("--steps is \(steps); 1 to 1000 products can be measured.") }
        if probes < 1 || probes > 100 { throw ValidationError("--probes is \(probes); 1 to 100 runs can be measured.") }
        if !(tolerance > 0) { throw ValidationError("--tolerance is \(tolerance); a number above 0 is needed.") }
    }

    func run() throws {
        let problem = try CurvatureProblem(file, activation: activation)
        let wanted = CurvatureOptions(probes: probes, steps: steps, seed: seed)
        // The first run of a process pays for its memory's pages.
        _ = measure(problem, wanted)
        let (top, topSeconds) = measure(
            problem, CurvatureOptions(probes: 1, steps: steps, seed: seed, tolerance: tolerance))
        let (density, densitySeconds) = measure(problem, wanted)
        let result = CurvatureBenchmark(
            parameters: problem.network.layout.parameterCount, examples: problem.labels.count, topEigenvalue: top.largest.number,
            topResidual: top.largest.uncertainty, topProducts: top.products, topSeconds: topSeconds,
            densityTopEigenvalue: density.largest.number, densityProducts: density.products, densitySeconds: densitySeconds,
            trace: density.trace.number, traceError: density.trace.uncertainty, symmetryError: density.symmetryError.number,
            nodes: density.density?.nodes.map(\.value) ?? [], weights: density.density?.nodes.map(\.weight) ?? [],
            failure: top.failure ?? density.failure)
        if json {
            print(try SortedJSON.text(result))
        } else {
            result.lines.forEach { print($0) }
        }
    }

    private func measure(_ problem: CurvatureProblem, _ options: CurvatureOptions) -> (CurvatureReport, Double) {
        let start = ThreadClock.seconds()
        var examination = CurvatureExamination(
            problem.network, parameters: problem.parameters, batches: [(problem.inputs, problem.labels)])
        let report = examination.report(options)
        return (report, ThreadClock.seconds() - start)
    }
}

/// What `bench curvature` has measured; seconds of processor time.
struct CurvatureBenchmark: Encodable {
    var parameters: Int
    var examples: Int
    var topEigenvalue: Double?
    var topResidual: Double?
    var topProducts: Int
    var topSeconds: Double
    var densityTopEigenvalue: Double?
    var densityProducts: Int
    var densitySeconds: Double
    var trace: Double?
    var traceError: Double?
    var symmetryError: Double?
    var nodes: [Double]
    var weights: [Double]
    /// Why values are missing.
    var failure: String?

    var lines: [String] {
        var table = TextTable("\(parameters) parameters, \(examples) examples", "value", "products", "seconds")
        table.append("largest eigenvalue", Figures.short(topEigenvalue), "\(topProducts)", Figures.short(topSeconds))
        table.append(
            "density, its largest", Figures.short(densityTopEigenvalue), "\(densityProducts)", Figures.short(densitySeconds))
        return table.lines() + (failure.map { ["n/a: \($0)"] } ?? [])
    }
}

/// A dense network and a batch out of a safetensors file.
struct CurvatureProblem {
    let network: Network
    let parameters: AlignedVector
    let inputs: Matrix
    let labels: [Int32]

    init(_ path: String, activation name: String) throws {
        let file = try SafetensorsFile(path)
        func tensor(_ name: String, dimensions: Int) throws -> TensorDescription {
            guard let tensor = file.tensor(named: name), tensor.shape.count == dimensions else {
                throw RefusedInput("\(path): \(name) with \(dimensions) dimensions is needed; see plumb bench curvature --help")
            }
            return tensor
        }
        guard let activation = Activation(rawValue: name) else {
            throw RefusedInput("--activation \(name): none, relu or tanh is needed")
        }
        let (embedding, readout) = (try tensor("embedding.weight", dimensions: 2), try tensor("readout.weight", dimensions: 2))
        let depth = file.tensors.count { $0.name.hasPrefix("layers.") && $0.name.hasSuffix(".path.weight") }
        network = try Network(
            NetworkSpecification(
                inputs: embedding.shape[1], outputs: readout.shape[0], width: embedding.shape[0], depth: depth,
                activation: activation, embedding: EmbeddingSpecification(activation: activation)))
        parameters = try Checkpoints.parameters(of: file, layout: network.layout)
        let batch = try tensor("batch.inputs", dimensions: 2)
        let targets = try file.floats(of: try tensor("batch.labels", dimensions: 1))
        guard batch.shape[1] == embedding.shape[1], batch.shape[0] == targets.count, !targets.isEmpty else {
            throw RefusedInput(
                "\(path): batch.inputs has the shape \(batch.shape); [\(targets.count), \(embedding.shape[1])] is needed")
        }
        guard targets.allSatisfy({ $0 >= 0 && $0 < Float(readout.shape[0]) }) else {
            throw RefusedInput("\(path): batch.labels holds numbers that are no class; 0 to \(readout.shape[0] - 1) are")
        }
        labels = targets.map { Int32($0) }
        let rows = try file.floats(of: batch)
        var transposed = Matrix(rows: batch.shape[1], columns: batch.shape[0])
        for example in 0..<batch.shape[0] {
            for feature in 0..<batch.shape[1] { transposed[feature, example] = rows[example * batch.shape[1] + feature] }
        }
        inputs = transposed
    }
}
