import Foundation
import LinearAlgebra
import StructuredLayers
import Testing

@testable import SpectralDiagnostics

@Suite("D14–D17: the Hessian's spectrum, against float64 Hessians and PyHessian")
struct CurvatureTests {
    static let names = ["tanh", "relu", "linear", "wide"]

    @Test("the largest and the smallest eigenvalue to 1e-3 of the largest", arguments: names)
    func extremes(name: String) throws {
        let golden = try CurvatureCase.named(name)
        var examination = golden.examination()
        let report = examination.report(CurvatureOptions(probes: 2, steps: 64, seed: 3))
        let exact = golden.figures["eigenvalues"]!
        let (top, bottom) = (exact[exact.count - 1], exact[0])
        let (largest, smallest) = (report.largest, report.smallest)
        #expect(abs(largest.number! - top) < 1e-3 * top, "\(largest) \(top)")
        #expect(abs(smallest.number! - bottom) < 1e-3 * top, "\(smallest) \(bottom)")
        #expect(abs(largest.number! - golden.figures["pyhessianTop"]![0]) < 1e-3 * top)
        #expect(report.symmetryError.number! < 1e-3)
    }

    @Test("traces, by layer and in all, and Σ H_ii² within four standard errors", arguments: names)
    func traces(name: String) throws {
        let golden = try CurvatureCase.named(name)
        var examination = golden.examination()
        let report = examination.report(CurvatureOptions(probes: 64, steps: 1, seed: 9))
        func check(_ measured: Measured, _ truth: Double) {
            #expect(abs(measured.number! - truth) < 4 * measured.uncertainty!, "\(name) \(measured) \(truth)")
            #expect(measured.uncertainty! < 0.5 * abs(truth) + 0.2)
        }
        let exact = golden.figures["traces"]!
        check(report.trace, exact.reduce(0, +))
        #expect(report.tracesByLayer.count == exact.count)
        for (layer, truth) in zip(report.tracesByLayer, exact) { check(layer.trace, truth) }
        check(report.squaredDiagonal, golden.figures["squaredDiagonal"]![0])
        let eigenvalues = golden.figures["eigenvalues"]!
        check(report.squaredFrobeniusNorm, eigenvalues.reduce(0) { $0 + $1 * $1 })
    }

    @Test("the density's weights sum to 1, and its distribution is that of the eigenvalues", arguments: names)
    func density(name: String) throws {
        let golden = try CurvatureCase.named(name)
        var examination = golden.examination()
        let report = examination.report(CurvatureOptions(probes: 16, steps: 40, seed: 1))
        let density = try #require(report.density)
        #expect(abs(density.nodes.reduce(0) { $0 + $1.weight } - 1) < 1e-12)
        let exact = golden.figures["eigenvalues"]!
        let range = exact[exact.count - 1] - exact[0]
        // Wasserstein's distance ∫|F − G|, over the range.
        let points = (0...4000).map { exact[0] - 0.1 * range + 1.2 * range * Double($0) / 4000 }
        let difference = points.map { x in
            abs(density.weight(below: x) - Double(exact.count { $0 < x }) / Double(exact.count))
        }
        let distance = difference.reduce(0, +) * 1.2 / 4000
        // A mean of 16 draws of the measure, whose weight of any part errs by √(2/(16·d)) of it at most.
        #expect(distance < (2 / (16 * Double(exact.count))).squareRoot(), "\(name) \(distance)")
        // Gauss's rule has the start vector's moments.
        let mean = density.nodes.reduce(0) { $0 + $1.value * $1.weight }
        #expect(abs(mean - report.trace.number! / Double(exact.count)) < 1e-5 * range)
    }

    @Test("no eigenvalue comes twice in 48 steps")
    func ghosts() throws {
        let golden = try CurvatureCase.named("wide")
        var examination = golden.examination()
        let report = examination.report(CurvatureOptions(probes: 1, steps: 48, seed: 5))
        let exact = golden.figures["eigenvalues"]!
        let converged = zip(report.ritz[0].values, report.ritz[0].residuals).filter { $1 < 1e-3 }.map(\.0)
        #expect(converged.count >= 5)
        for value in converged {
            let found = converged.count { abs($0 - value) < 2e-3 }
            #expect(found <= exact.count { abs($0 - value) < 4e-3 }, "\(value) \(found) times")
        }
    }

    @Test("the same bits on 1, 2 and 4 shards, and in the examination with the same chunks")
    func shards() throws {
        let golden = try CurvatureCase.named("wide")
        let ranges = stride(from: 0, to: golden.network.layout.count, by: 100).map {
            $0..<min($0 + 100, golden.network.layout.count)
        }
        let layout = KrylovLayout(golden.network.layout, ranges: ranges)
        let options = CurvatureOptions(probes: 3, steps: 12, seed: 2)
        let reports = try [1, 2, 4].map { count in
            var matrix = CurvatureProduct(
                golden.network, parameters: golden.parameters, inputs: golden.inputs, labels: golden.labels)
            return try conduct(
                options, layout, parameters: golden.parameters, examples: golden.labels.count, shards: count
            ) { vector, step in
                var product = AlignedVector(count: vector.count)
                do {
                    var target = product.mutableSpan
                    matrix.product(.hessian, vector.span, step: step, into: &target)
                }
                return product
            }
        }
        #expect(reports[0] == reports[1] && reports[0] == reports[2] && reports[0].runs.count == 3)
        var examination = golden.examination(ranges: ranges)
        #expect(examination.report(options) == reports[0])
        var other = golden.examination()
        #expect(other.report(options) != reports[0], "the chunks' order of addition shows")
    }
}
