import LinearAlgebra
import Testing

@testable import StructuredLayers

/// x ↦ W·x, W [m, n]: the least that a family of any shape is.
struct RectangularPath: PathFamily, NaivePath {
    let inputs: Int
    let outputs: Int

    init(options: inout OptionReader, context: LayerContext) throws(SpecificationError) {
        (inputs, outputs) = (context.inputs, context.outputs)
    }

    var blocks: [BlockDeclaration] { [BlockDeclaration("weight", shape: [outputs, inputs])] }

    func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        generator.fillNormal(&values, standardDeviation: 1 / Float(inputs).squareRoot())
    }

    func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs), x, into: &y)
    }

    func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        BLAS.gemm(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs), transposeA: true, g, into: &dx)
        var dw = MutableMatrixView(blockGradients.part(at[0]), rows: outputs, columns: inputs)
        BLAS.gemm(g, x, transposeB: true, into: &dw)
    }

    func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds {
        let values = try LAPACK.singularValues(MatrixView(parameters.extracting(at[0]), rows: outputs, columns: inputs))
        return SpectralBounds(lower: Double(values.last ?? 0) * (1 - 1e-5), upper: Double(values.first ?? 0) * (1 + 1e-5))
    }

    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] { Naive.multiply(blocks[0], x, rows: outputs) }
}

@Suite("Layers of several widths")
struct RectangularTests {
    static let corrections: [CorrectionSpecification] =
        [.none]
        + ["low-rank", "bottleneck", "gated-low-rank", "dense"].map {
            .init(kind: $0, options: ["scale": "layerscale", "scaleStart": 0.5, "cap": 0.3, "outputClip": 0.2])
        } + [.init(kind: "dense", options: ["cap": 0.3]), .init(kind: "low-rank", options: ["scale": "rezero"])]

    static func network(_ correction: CorrectionSpecification, _ widths: [Int] = [10, 7, 12, 9]) throws -> Network {
        var specification = NetworkSpecification(
            inputs: 6, outputs: 4, width: 1, depth: widths.count - 1, path: .init(family: "rectangular"), correction: correction,
            activation: .tanh)
        specification.widths = widths
        var families = LayerFamilies.builtin
        families.add("rectangular", path: RectangularPath.self)
        return try Network(specification, families: families)
    }

    @Test("gradients, adjoints and certificates are right for every kind of correction", arguments: corrections)
    func maps(correction: CorrectionSpecification) throws {
        let network = try Self.network(correction)
        try GradientTests.check(network)
        for index in 0..<3 { try LayerTests.checkAdjoint(network, index) }
        try LayerTests.checkCertificates(network)
    }

    @Test("every part has its own shape")
    func shapes() throws {
        let network = try Self.network(Self.corrections[2])
        let maps = network.materialised(Sample.parameters(network)).map { [$0.matrix.rows, $0.matrix.columns] }
        #expect(maps == [[10, 6], [7, 10], [12, 7], [9, 12], [4, 9]])
        let up = network.layout.blocks.filter { $0.name.hasSuffix("correction.up") }.map(\.shape)
        #expect(up == [[7, 1], [12, 1], [9, 1]])
        let bias = network.layout.blocks.filter { $0.name.hasPrefix("layers") && $0.name.hasSuffix(".bias") && $0.shape[0] > 1 }
        #expect(bias.map(\.shape) == [[7], [12], [9]])
    }

    @Test("per-layer sums are of each layer's own width")
    func sums() throws {
        let network = try Self.network(.none)
        let parameters = Sample.parameters(network)
        func gather(_ workspace: inout NetworkWorkspace) -> LayerSums {
            network.derive(parameters.span, into: &workspace)
            var gradient = AlignedVector(count: network.layout.count)
            var span = gradient.mutableSpan
            return network.gradient(
                parameters: parameters.span, inputs: Sample.inputs().view, labels: Sample.labels, into: &span,
                workspace: &workspace, gathers: true
            ).sums
        }
        var workspace = network.makeWorkspace(batch: Sample.batch)
        let first = gather(&workspace)
        #expect(first.activationSquares.count == 4 && first.deltaSquares.count == 4)
        #expect(gather(&workspace) == first, "what a larger gradient left behind does not count")
    }

    @Test("a default that differs from layer to layer is not written out as the network's")
    func resolved() throws {
        let uneven = try Self.network(.init(kind: "low-rank"), [32, 32, 8])
        #expect(uneven.specification.correction.options["rank"] == nil)
        #expect(uneven.specification.correction.options["scale"] == "none")
        #expect(try Self.network(.init(kind: "low-rank"), [32, 32, 32]).specification.correction.options["rank"] == 4)
    }

    @Test("families that keep the width say which do not")
    func refusals() {
        let others = LayerFamilies.builtin.rectangularPathNames.joined(separator: ", ")
        #expect(others.contains("dense") && others.contains("spectral-norm") && !others.contains("cayley"))
        for family in ["householder", "identity", "cayley", "skew-euler", "gradient-flow", "diagonal-low-rank"] {
            #expect(
                SpecificationTests.refusal { ($0.widths, $0.path) = ([8, 8, 6], .init(family: family)) }
                    == "model.path.family: got \(family), expected a family that maps 8 units to 6, one of \(others); \(family) "
                    + "keeps the width")
        }
        #expect(
            SpecificationTests.refusal { ($0.widths, $0.embedding.kind) = ([5, 8, 6], .identity) }.contains(
                "the inputs (4) are not as many as the width (5)"))
        #expect(SpecificationTests.refusal { $0.widths = [8, 0, 8] }.contains("model.width: got 0"))
    }
}
