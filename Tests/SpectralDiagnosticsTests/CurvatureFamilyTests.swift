import LinearAlgebra
import Testing

@testable import SpectralDiagnostics
@testable import StructuredLayers

/// Lanczos against the eigenvalues of a Hessian built column by column, for networks with state, corrections and caps.
@Suite("D14–D17 on structured layers")
struct CurvatureFamilyTests {
    struct Family: CustomTestStringConvertible {
        var testDescription: String
        var path: PathSpecification
        var correction = CorrectionSpecification.none
        var activation = Activation.relu
    }

    static let families = [
        Family(testDescription: "householder", path: PathSpecification(family: "householder", options: ["reflectors": 3])),
        Family(testDescription: "cayley", path: PathSpecification(family: "cayley"), activation: .tanh),
        Family(testDescription: "monarch", path: PathSpecification(family: "monarch", options: ["blocks": 2])),
        Family(
            testDescription: "low-rank correction", path: PathSpecification(family: "householder", options: ["reflectors": 2]),
            correction: CorrectionSpecification(kind: "low-rank", options: ["rank": 2]), activation: .tanh),
        Family(
            testDescription: "skew-euler", path: PathSpecification(family: "skew-euler", options: ["activation": "tanh"]),
            activation: .none),
    ]

    static func problem(_ family: Family) throws -> (Network, AlignedVector, Matrix, [Int32]) {
        let network = try Network(
            NetworkSpecification(
                inputs: 5, outputs: 3, width: 8, depth: 2, path: family.path, correction: family.correction,
                activation: family.activation, embedding: EmbeddingSpecification(activation: family.activation)))
        var parameters = network.initialParameters(seed: 1)
        let generator = CounterRNG(seed: 8, purpose: "curvature test")
        do {
            var all = parameters.mutableSpan
            for block in network.layout.blocks where block.role == .parameter {
                for i in block.range { all[i] += Float(0.1 * generator.normal(UInt64(i))) }
            }
        }
        var inputs = Matrix(rows: 5, columns: 32)
        do {
            var elements = inputs.mutableSpan
            CounterRNG(seed: 2, purpose: "curvature inputs").fillNormal(&elements, standardDeviation: 1)
        }
        return (network, parameters, inputs, (0..<32).map { Int32($0 * $0 % 3) })
    }

    /// Column by column, by differences of gradients along each coordinate alone.
    static func dense(_ network: Network, _ parameters: AlignedVector, _ inputs: Matrix, _ labels: [Int32]) -> DoubleMatrix {
        let places = network.layout.blocks.filter { $0.role == .parameter }.flatMap(\.range)
        var differences = GradientDifference(network, parameters: parameters, inputs: inputs, labels: labels)
        var matrix = DoubleMatrix(rows: places.count, columns: places.count)
        for (column, place) in places.enumerated() {
            var (unit, product) = (AlignedVector(count: parameters.count), AlignedVector(count: parameters.count))
            do {
                var all = unit.mutableSpan
                all[place] = 1
            }
            do {
                var target = product.mutableSpan
                differences.product(.hessian, unit.span, length: 4e-3, into: &target)
            }
            for (row, other) in places.enumerated() {
                let half = Double(product.span[other]) / Double(labels.count) / 2
                matrix[row, column] += half
                matrix[column, row] += half
            }
        }
        return matrix
    }

    @Test("extreme eigenvalues are those of the Hessian built by columns", arguments: families)
    func extremes(family: Family) throws {
        let (network, parameters, inputs, labels) = try Self.problem(family)
        let exact = try LAPACK.symmetricEigenvalues(Self.dense(network, parameters, inputs, labels))
        var examination = CurvatureExamination(network, parameters: parameters, batches: [(inputs, labels)])
        let report = examination.report(CurvatureOptions(probes: 1, steps: 60, seed: 6))
        let top = exact[exact.count - 1]
        #expect(abs(report.largest.number! - top) < 1e-3 * top, "\(report.largest) \(top)")
        #expect(abs(report.smallest.number! - exact[0]) < 1e-3 * top, "\(report.smallest) \(exact[0])")
        #expect(report.symmetryError.number! < 1e-3)
        #expect(report.tracesByLayer.map(\.layer) == [0, 1, 2, 3])
    }

    @Test("two batches are one batch of both")
    func batches() throws {
        let (network, parameters, inputs, labels) = try Self.problem(Self.families[0])
        func part(_ columns: Range<Int>) -> (Matrix, [Int32]) {
            var some = Matrix(rows: inputs.rows, columns: columns.count)
            for row in 0..<inputs.rows { for column in columns { some[row, column - columns.lowerBound] = inputs[row, column] } }
            return (some, Array(labels[columns]))
        }
        var whole = CurvatureExamination(network, parameters: parameters, batches: [(inputs, labels)])
        var halves = CurvatureExamination(network, parameters: parameters, batches: [part(0..<20), part(20..<32)])
        let options = CurvatureOptions(probes: 1, steps: 20)
        let (one, two) = (whole.report(options).largest.number!, halves.report(options).largest.number!)
        #expect(abs(one - two) < 1e-4 * one)
    }
}
