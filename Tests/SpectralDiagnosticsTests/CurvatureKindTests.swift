import LinearAlgebra
import StructuredLayers
import Testing

@testable import SpectralDiagnostics

@Suite("D18: Gauss–Newton, the empirical Fisher matrix and the tangent kernel")
struct CurvatureKindTests {
    @Test("the Gauss–Newton matrix' largest eigenvalue is that of the dense one", arguments: CurvatureTests.names)
    func gaussNewton(name: String) throws {
        let golden = try CurvatureCase.named(name)
        var examination = golden.examination()
        let report = examination.report(CurvatureOptions(.gaussNewton, probes: 1, steps: 40, seed: 4))
        let exact = golden.figures["gaussNewton"]!.last!
        #expect(abs(report.largest.number! - exact) < 1e-3 * exact, "\(report.largest) \(exact)")
        // Positive semidefinite: what is below zero is the products' error.
        #expect(report.smallest.number! > -1e-3 * exact)
        #expect(report.rows().map(\.diagnostic) == ["D18", "D18"])
    }

    @Test("for a linear network and the cross-entropy it is the Hessian")
    func linear() throws {
        let golden = try CurvatureCase.named("linear")
        var examination = golden.examination()
        let hessian = examination.report(CurvatureOptions(probes: 1, steps: 12, seed: 1))
        let gaussNewton = examination.report(CurvatureOptions(.gaussNewton, probes: 1, steps: 12, seed: 1))
        for (h, g) in zip(hessian.ritz[0].values, gaussNewton.ritz[0].values) { #expect(abs(h - g) < 1e-4) }
    }

    @Test("the tangent kernel's largest eigenvalue is that of J·Jᵀ over N", arguments: CurvatureTests.names)
    func tangentKernel(name: String) throws {
        let golden = try CurvatureCase.named(name)
        var examination = golden.examination()
        let report = examination.report(CurvatureOptions(.tangentKernel, probes: 1, steps: 40, seed: 4))
        let exact = golden.figures["tangentKernel"]!.last! / Double(golden.labels.count)
        #expect(abs(report.largest.number! - exact) < 1e-3 * exact, "\(report.largest) \(exact)")
    }

    @Test(
        "the empirical Fisher matrix' largest eigenvalue and trace are those of the examples' gradients",
        arguments: CurvatureTests.names)
    func fisher(name: String) throws {
        let golden = try CurvatureCase.named(name)
        var examination = golden.examination()
        let report = examination.report(CurvatureOptions(.empiricalFisher, probes: 4, steps: 40, seed: 4))
        let exact = golden.figures["fisher"]!
        #expect(abs(report.largest.number! - exact.last!) < 1e-3 * exact.last!, "\(report.largest) \(exact)")
        let (trace, total) = (report.trace, exact.reduce(0, +))
        #expect(abs(trace.number! - total) < 4 * trace.uncertainty! + 1e-3 * total, "\(trace) \(total)")
    }

    @Test("Adam's scaling: the largest eigenvalue of P⁻¹·H is the dense one's", arguments: CurvatureTests.names)
    func preconditioned(name: String) throws {
        let golden = try CurvatureCase.named(name)
        let layout = KrylovLayout(golden.network.layout)
        var scaling = AlignedVector(count: golden.parameters.count)
        var element = 0
        do {
            var elements = scaling.mutableSpan
            for block in golden.network.layout.blocks {
                for index in block.range {
                    elements[index] = 1 / (0.05 + 0.25 * Float(element % 7)).squareRoot()
                    element += 1
                }
            }
        }
        var matrix = CurvatureProduct(
            golden.network, parameters: golden.parameters, inputs: golden.inputs, labels: golden.labels)
        let options = CurvatureOptions(preconditioned: true, probes: 1, steps: 60, seed: 4, tolerance: 1e-4)
        let report = try conduct(
            options, layout, parameters: golden.parameters, examples: golden.labels.count, scaling: scaling
        ) { vector, step in
            var product = AlignedVector(count: vector.count)
            var target = product.mutableSpan
            matrix.product(.hessian, vector.span, step: step, into: &target)
            return product
        }
        let exact = golden.figures["preconditionedTop"]![0]
        #expect(abs(report.largest.number! - exact) < 1e-3 * exact, "\(report.largest) \(exact)")
        #expect(report.rows().map(\.quantity) == ["preconditioned_hessian_lambda_max"])
    }
}
