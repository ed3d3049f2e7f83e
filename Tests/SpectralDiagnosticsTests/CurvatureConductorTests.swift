import Foundation
import LinearAlgebra
import StructuredLayers
import Testing

@testable import SpectralDiagnostics

/// The conductor and its shards on matrices known in closed form: products with them instead of a network's.
@Suite("The conductor of Krylov methods")
struct CurvatureConductorTests {
    static func layout(_ width: Int = 12) throws -> (Network, KrylovLayout) {
        let network = try Network(NetworkSpecification(inputs: 3, outputs: 2, width: width, depth: 2))
        let ranges = stride(from: 0, to: network.layout.count, by: 48).map { $0..<min($0 + 48, network.layout.count) }
        return (network, KrylovLayout(network.layout, ranges: ranges))
    }

    /// Runs on the Hessian diag(`eigenvalue(i)`), i counting the flat vector.
    static func quadratic(
        _ options: CurvatureOptions, parameter: Float = 1, examples: Int = 4, _ eigenvalue: @escaping (Int) -> Float
    ) throws -> (report: CurvatureReport, eigenvalues: [Double]) {
        let (network, layout) = try layout()
        var parameters = AlignedVector(count: network.layout.count)
        do {
            var all = parameters.mutableSpan
            VectorKernels.fill(&all, with: parameter)
        }
        let report = try conduct(options, layout, parameters: parameters, examples: examples, shards: 2) { vector, _ in
            var product = vector
            var all = product.mutableSpan
            for i in all.indices { all[i] *= eigenvalue(i) * Float(examples) }
            return product
        }
        let trained = network.layout.blocks.flatMap(\.range)
        return (report, trained.map { Double(eigenvalue($0)) }.sorted())
    }

    @Test("a diagonal matrix: its trace and Σ H_ii² without error, and its ends")
    func diagonal() throws {
        let (report, exact) = try Self.quadratic(CurvatureOptions(probes: 4, steps: 40)) { Float($0 % 50) / 10 }
        let (trace, squares) = (exact.reduce(0, +), exact.reduce(0) { $0 + $1 * $1 })
        #expect(abs(report.trace.number! - trace) < 1e-4 * trace && report.trace.uncertainty! < 1e-4 * trace)
        #expect(abs(report.squaredDiagonal.number! - squares) < 1e-3 * squares)
        #expect(report.squaredDiagonal.uncertainty! < 1e-3 * squares)
        #expect(abs(report.squaredFrobeniusNorm.number! - squares) < 1e-3 * squares)
        #expect(abs(report.largest.number! - 4.9) < 1e-3 && abs(report.smallest.number!) < 1e-3)
    }

    @Test("equal signs give one bit of the flat vector one sign, whatever the cut")
    func signs() throws {
        let (network, cut) = try Self.layout()
        let whole = KrylovLayout(network.layout)
        func signs(_ layout: KrylovLayout, probe: Int) -> [Float] {
            var shard = KrylovShard(chunks: layout.chunks)
            _ = shard.execute(.begin(seed: 3, probe: probe, amplitude: 1))
            return layout.chunks.enumerated().flatMap { position, chunk in
                var part = AlignedVector(count: chunk.range.count)
                var target = part.mutableSpan
                shard.copyDirection(chunk: position, into: &target)
                return target.indices.map { target[$0] }
            }
        }
        #expect(signs(cut, probe: 0) == signs(whole, probe: 0) && signs(cut, probe: 0) != signs(cut, probe: 1))
        // Three standard deviations of a fair coin.
        let drawn = signs(whole, probe: 0).filter { $0 != 0 }
        #expect(drawn.count == cut.dimension && drawn.allSatisfy { abs($0) == 1 })
        #expect(abs(drawn.reduce(0, +)) < 3 * Float(drawn.count).squareRoot())
    }

    @Test("an isolated eigenvalue ends a run with a tolerance early; without one the run goes on")
    func tolerance() throws {
        func spiked(_ i: Int) -> Float { i == 100 ? 40 : Float(i % 17) / 17 }
        let early = try Self.quadratic(CurvatureOptions(probes: 1, steps: 40, tolerance: 1e-3), spiked).report
        let full = try Self.quadratic(CurvatureOptions(probes: 1, steps: 16), spiked).report
        #expect(early.products < 8 && full.products == 16)
        #expect(abs(early.largest.number! - 40) < 40e-3 && early.largest.uncertainty! < 1)
    }

    @Test("a multiple of the identity has one eigenvalue, and zero too: one product each")
    func invariant() throws {
        let twice = try Self.quadratic(CurvatureOptions(probes: 2, steps: 10)) { _ in 2 }.report
        #expect(twice.ritz.flatMap(\.values).allSatisfy { abs($0 - 2) < 1e-5 } && abs(twice.trace.number! / 2 - 386) < 1e-3)
        #expect(twice.products == 2)
        let zero = try Self.quadratic(CurvatureOptions(probes: 1, steps: 10)) { _ in 0 }.report
        #expect(zero.largest.number == 0 && zero.trace.number == 0 && zero.products == 1)
        #expect(zero.symmetryError.reason == "the curvature matrix is zero")
    }

    @Test("a matrix that is not symmetric shows")
    func asymmetry() throws {
        let (network, layout) = try Self.layout()
        var parameters = AlignedVector(count: network.layout.count)
        do {
            var all = parameters.mutableSpan
            VectorKernels.fill(&all, with: 1)
        }
        let report = try conduct(CurvatureOptions(probes: 1, steps: 8), layout, parameters: parameters, examples: 1) { vector, _ in
            var product = vector
            var all = product.mutableSpan
            for i in all.indices { all[i] = vector.span[i] + 0.5 * vector.span[(i + 1) % vector.count] }
            return product
        }
        #expect(report.symmetryError.number! > 0.1)
    }

    @Test("what cannot be measured says why in every row")
    func reasons() throws {
        func reason(_ report: CurvatureReport) -> Set<String> {
            Set(report.rows().filter { $0.layer == nil }.map { $0.value.reason ?? "a number" })
        }
        let options = CurvatureOptions(probes: 2, steps: 4)
        #expect(reason(try Self.quadratic(options, parameter: .nan) { _ in 1 }.report) == ["the parameters are not finite"])
        #expect(reason(try Self.quadratic(options, examples: 0) { _ in 1 }.report) == ["the probe batch is empty"])
        #expect(
            reason(try Self.quadratic(options, parameter: 0) { _ in 1 }.report)
                == ["all parameters are zero: a step relative to them is none"])
        #expect(
            reason(try Self.quadratic(options) { $0 == 7 ? .nan : 1 }.report)
                == ["a product with the curvature matrix is not finite"])
        let (_, layout) = try Self.layout()
        var conductor = CurvatureConductor(options, layout: layout, examples: 3)
        conductor.abandon("a worker left")
        guard case .finished(let report) = conductor.action else { throw CancellationError() }
        #expect(reason(report) == ["a worker left"])
    }

    @Test("one probe has an error bar of the trace, none of layers")
    func oneProbe() throws {
        let report = try Self.quadratic(CurvatureOptions(probes: 1, steps: 3)) { Float($0 % 5) }.report
        #expect(report.trace.uncertainty! > 0)
        #expect(report.tracesByLayer.allSatisfy { $0.trace.reason!.contains("two or more") })
        #expect(report.squaredDiagonal.reason!.contains("three or more"))
    }

    @Test("thresholds of stability stand beside the sharpness")
    func thresholds() throws {
        let report = try Self.quadratic(CurvatureOptions(probes: 1, steps: 3)) { Float($0 % 5) }.report
        let rows = report.rows(thresholds: [
            .gradientDescent(learningRate: 0.1), .heavyBall(learningRate: 0.1, momentum: 0.9),
            .adam(learningRate: 0.01, beta1: 0.9), .gradientDescent(learningRate: 0),
        ])
        let values = rows.filter { $0.quantity.hasPrefix("threshold") }.map(\.value.number)
        #expect(values[0] == 20 && abs(values[1]! - 38) < 1e-9 && abs(values[2]! - 3800) < 1e-6 && values[3] == nil)
    }

    @Test("a NaN survives the wire")
    func wire() throws {
        let sums = ChunkSums(chunk: 3, values: [.nan, -.infinity, -0.0, 0.1], layers: [1])
        let back = try JSONDecoder().decode(ChunkSums.self, from: JSONEncoder().encode(sums))
        #expect(back.values.map(\.bitPattern) == sums.values.map(\.bitPattern) && back.layers == [1] && back.chunk == 3)
    }
}
