import LinearAlgebra
import Testing

@testable import StructuredLayers

/// W·x done wrong in a chosen way: what a check of layers must see.
private struct FaultyPath: PathFamily {
    enum Fault: String, CaseIterable, Sendable { case none, gradient, input, certificate, silence, trespass }

    let width: Int
    let fault: Fault

    init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        width = try context.squareWidth(of: "faulty")
        fault = try options.choice("fault", default: Fault.none)
    }

    var blocks: [BlockDeclaration] { [BlockDeclaration("weight", shape: [width, width])] }

    func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        generator.fillNormal(&values, standardDeviation: 1 / Float(width).squareRoot())
    }

    func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: width, columns: width), x, into: &y)
    }

    func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        let w = MatrixView(parameters.extracting(at[0]), rows: width, columns: width)
        BLAS.gemm(w, transposeA: fault != .input, g, into: &dx)
        if fault == .trespass { blockGradients[at[0].upperBound + 20] = 0 }
        if fault == .silence { return }
        var dw = MutableMatrixView(blockGradients.part(at[0]), rows: width, columns: width)
        BLAS.gemm(g, x, transposeB: true, alpha: fault == .gradient ? 1.01 : 1, into: &dw)
    }

    func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds {
        let values = try LAPACK.singularValues(MatrixView(parameters.extracting(at[0]), rows: width, columns: width))
        return SpectralBounds(lower: 0, upper: Double(values[0]) * (fault == .certificate ? 0.99 : 1.01))
    }
}

@Suite("The check of a layer")
struct LayerCheckTests {
    @Test("finds nothing in the built-in layers", arguments: LayerFamilies.builtin.pathNames, [Activation.none, .tanh])
    func sound(family: String, activation: Activation) throws {
        // An inner relu, that family's default, has kinks. 16 units, which every family can cut into its blocks.
        let options: [String: OptionValue] = family == "gradient-flow" ? ["activation": "tanh"] : [:]
        let check = LayerCheck(
            path: PathSpecification(family: family, options: options), activation: activation, width: 16, families: .builtin)
        #expect(try check.violations() == [])
    }

    @Test("finds nothing in a correction, with and without a cap", arguments: 0..<5)
    func corrected(seed: UInt64) throws {
        for correction in [CorrectionSpecification.bottleneck(rank: 3, activation: .tanh, cap: 0.3), .bottleneck(rank: 3)] {
            let check = LayerCheck(correction: correction, seed: seed, families: .builtin)
            #expect(try check.violations() == [])
        }
    }

    @Test(
        "finds each mistake",
        arguments: [
            ("none", []), ("gradient", ["gradient of layers.0.path.weight"]), ("input", ["adjoint", "gradient of the input"]),
            ("certificate", ["certificate"]), ("silence", ["writes its blocks", "gradient of layers.0.path.weight"]),
            ("trespass", ["writes its blocks"]),
        ])
    func faults(fault: String, expected: [String]) throws {
        var families = LayerFamilies.builtin
        families.add("faulty", path: FaultyPath.self)
        let path = PathSpecification(family: "faulty", options: ["fault": .text(fault)])
        let violations = try LayerCheck(path: path, families: families).violations()
        #expect(violations.count == expected.count, "\(violations)")
        for (violation, words) in zip(violations, expected) { #expect(violation.law.contains(words)) }
    }

    @Test("says in words what is wrong, and with what would be right")
    func text() {
        let finding = LayerCheck.Finding(law: "backward is the adjoint of jvp", error: 0.5, tolerance: 1e-5)
        #expect("\(finding)" == "backward is the adjoint of jvp: off by 0.5, where 1e-05 is allowed")
        #expect(!LayerCheck.Finding(law: "any", error: .nan, tolerance: 1).holds)
    }
}
