import ArgumentParser
import LinearAlgebra

/// The shape of a dense network whose step is measured; by default 784→[1024]×8→10 at a batch of 128.
struct NetworkShapeOptions: ParsableArguments {
    @Option(help: "Units of a layer.") var width: Int = 1024
    @Option(help: "Layers, the embedding among them.") var depth: Int = 8
    @Option(help: "Features of an example.") var inputs: Int = 784
    @Option(help: "Classes.") var outputs: Int = 10
    @Option(help: "Examples a step.") var batch: Int = 128
    @Option(help: "Measured rounds.") var rounds: Int = 15

    func validate() throws {
        for (name, value) in [("width", width), ("inputs", inputs), ("outputs", outputs), ("batch", batch)]
        where value < 1 || value > 1 << 14 {
            throw ValidationError("--\(name) is \(value); 1 to \(1 << 14) can be measured.")
        }
        if depth < 1 || depth > 1 << 16 { throw ValidationError("--depth is \(depth); 1 to \(1 << 16) layers can be measured.") }
        if rounds < 1 || rounds > 10_000 { throw ValidationError("--rounds is \(rounds); 1 to 10000 rounds can be measured.") }
    }

    var title: String { "\(inputs)→[\(width)]×\(depth)→\(outputs)" }
}

extension Matrix {
    /// A matrix of normal numbers, as weights and activations are.
    static func measured(_ rows: Int, _ columns: Int) -> Matrix {
        var matrix = Matrix(rows: rows, columns: columns)
        var span = matrix.mutableSpan
        CounterRNG(seed: 1, purpose: "bench").fillNormal(&span, standardDeviation: 0.03)
        return matrix
    }
}
