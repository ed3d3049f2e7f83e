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

    @Test("the empirical Fisher matrix of four quarters", arguments: CurvatureTests.names)
    func fisher(name: String) throws {
        let golden = try CurvatureCase.named(name)
        let quarter = golden.labels.count / 4
        let gradients = (0..<4).map { part in
            var inputs = Matrix(rows: golden.inputs.rows, columns: quarter)
            for row in 0..<inputs.rows {
                for column in 0..<quarter { inputs[row, column] = golden.inputs[row, part * quarter + column] }
            }
            var workspace = golden.network.makeWorkspace(batch: quarter)
            golden.network.derive(golden.parameters.span, into: &workspace)
            var gradient = AlignedVector(count: golden.network.layout.count)
            var target = gradient.mutableSpan
            _ = golden.network.gradient(
                parameters: golden.parameters.span, inputs: inputs.view,
                labels: Array(golden.labels[part * quarter..<(part + 1) * quarter]), into: &target, workspace: &workspace)
            VectorKernels.scale(&target, by: 1 / Float(quarter))
            return gradient
        }
        let fisher = EmpiricalFisher(gradients: gradients, layout: golden.network.layout)
        let exact = golden.figures["fisher"]!
        for (value, truth) in zip(fisher.eigenvalues.reversed(), exact) { #expect(abs(value - truth) < 1e-5 * exact.last!) }
        #expect(fisher.eigenvalues.count == 4 && fisher.largest.number == fisher.eigenvalues[0])
        #expect(abs(fisher.trace.number! - exact.reduce(0, +)) < 1e-5)
    }

    @Test("no gradients, or one that is not finite, say why")
    func reasons() {
        #expect(EmpiricalFisher(gram: DoubleMatrix(rows: 0, columns: 0)).largest.reason == "there are no gradients")
        var gram = DoubleMatrix(rows: 1, columns: 1)
        gram[0, 0] = .nan
        #expect(EmpiricalFisher(gram: gram).largest.reason == "a gradient is not finite")
        gram[0, 0] = 4
        #expect(EmpiricalFisher(gram: gram).largest.number == 4)
    }
}
