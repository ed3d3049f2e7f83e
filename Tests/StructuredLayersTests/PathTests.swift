import LinearAlgebra
import Testing

@testable import StructuredLayers

/// A path of some shape.
struct PathCase: CustomTestStringConvertible, Sendable {
    var path: PathSpecification
    var inputs: Int
    var outputs: Int
    var testDescription: String {
        "\(path.family) \(path.options.map { "\($0)=\($1)" }.sorted()), \(inputs) to \(outputs)"
    }

    init(_ family: String, _ options: [String: OptionValue], _ inputs: Int, _ outputs: Int) {
        path = PathSpecification(family: family, options: options)
        (self.inputs, self.outputs) = (inputs, outputs)
    }

    static let all: [PathCase] = [
        PathCase("identity", [:], 5, 5), PathCase("dense", [:], 6, 9), PathCase("dense", ["init": "orthogonal"], 9, 6),
        PathCase("householder", ["reflectors": 3], 7, 7), PathCase("householder", ["reflectors": 3, "mixing": false], 7, 7),
        PathCase("kronecker", [:], 1, 1), PathCase("kronecker", [:], 12, 12),
        PathCase("kronecker", ["rows": 4, "columns": 2], 12, 12),
        PathCase("kronecker", ["rows": 5, "columns": 3], 12, 20), PathCase("kronecker", ["rows": 2, "columns": 3], 18, 8),
        PathCase("kronecker", ["rows": 1], 7, 7), PathCase("kronecker", ["rows": 2, "columns": 6], 12, 12),
        PathCase("block-diagonal", [:], 1, 1), PathCase("block-diagonal", ["blocks": 3], 12, 12),
        PathCase("block-diagonal", ["blocks": 3, "mixing": false], 6, 15),
        PathCase("block-diagonal", ["blocks": 2, "init": "orthogonal"], 10, 4), PathCase("monarch", [:], 16, 16),
        PathCase("monarch", ["blocks": 2], 12, 12), PathCase("monarch", ["blocks": 2, "init": "orthogonal"], 8, 14),
        PathCase("monarch", [:], 18, 9), PathCase("block-tensor-train", [:], 1, 1), PathCase("block-tensor-train", [:], 7, 7),
        PathCase("block-tensor-train", ["rank": 2], 10, 10),
        PathCase("block-tensor-train", ["rank": 3, "inputBlocks": 2, "outputBlocks": 3], 8, 15),
        PathCase("block-tensor-train", ["inputBlocks": 5, "outputBlocks": 2], 20, 6),
        PathCase("diagonal-low-rank", ["rank": 0], 6, 6), PathCase("diagonal-low-rank", ["rank": 2], 9, 9),
        PathCase("diagonal-low-rank", ["rank": 5, "mixing": false], 5, 5), PathCase("diagonal-low-rank", ["rank": 1], 1, 1),
        PathCase("bounded-svd", ["reflectors": 3], 8, 8), PathCase("bounded-svd", ["reflectors": 1], 1, 1),
        PathCase("bounded-svd", ["reflectors": 4, "sigmaMin": 0, "sigmaMax": 0.7, "mixing": false], 6, 11),
        PathCase("bounded-svd", ["reflectors": 2, "sigmaMin": 0.001, "sigmaMax": 40], 11, 6),
    ]
}

@Suite("Paths of any shape")
struct PathTests {
    /// The naive twin's S(x), example by example.
    static func naive(_ path: PathUnderTest, _ x: Matrix, _ blocks: [[Double]]) throws -> [[Double]] {
        let twin = try #require(path.family as? any NaivePath)
        return (0..<x.columns).map { b in twin.naive((0..<x.rows).map { Double(x[$0, b]) }, blocks) }
    }

    @Test("equal their naive twins", arguments: PathCase.all)
    func forward(sample: PathCase) throws {
        let path = try PathUnderTest(sample.path, inputs: sample.inputs, outputs: sample.outputs, perturbation: 0.3)
        let (x, g) = (PathUnderTest.random(sample.inputs, 5, "x"), PathUnderTest.random(sample.outputs, 5, "g"))
        let (y, exact) = (path.run(x, gradient: g).y, try Self.naive(path, x, path.blocks))
        let size = exact.joined().map { $0 * $0 }.reduce(0, +).squareRoot()
        // Some tens of float32 roundings of the size of the whole.
        for b in 0..<5 { for i in 0..<sample.outputs { #expect(abs(Double(y[i, b]) - exact[b][i]) <= 5e-6 * size) } }
    }

    @Test("have gradients that equal central differences of the twin, block by block", arguments: PathCase.all)
    func gradients(sample: PathCase) throws {
        let path = try PathUnderTest(sample.path, inputs: sample.inputs, outputs: sample.outputs, perturbation: 0.3)
        let (x, g) = (PathUnderTest.random(sample.inputs, 5, "x"), PathUnderTest.random(sample.outputs, 5, "g"))
        let (_, gradient, dx) = path.run(x, gradient: g)
        func loss(_ x: Matrix, _ blocks: [[Double]]) throws -> Double {
            let y = try Self.naive(path, x, blocks)
            return (0..<5).reduce(0) { total, b in
                total + (0..<sample.outputs).reduce(0) { $0 + Double(g[$1, b]) * y[b][$1] }
            }
        }
        for (block, range) in path.places.enumerated() {
            var (error, size) = (0.0, 0.0)
            for (offset, index) in range.enumerated() {
                var (above, below) = (path.blocks, path.blocks)
                above[block][offset] += 1e-5
                below[block][offset] -= 1e-5
                let exact = try (loss(x, above) - loss(x, below)) / 2e-5
                error += (Double(gradient.span[index]) - exact) * (Double(gradient.span[index]) - exact)
                size += exact * exact
            }
            // A block without influence, as the one reflector of a width of 1, has no relative error.
            #expect(error.squareRoot() <= 2e-5 * max(0.1, size.squareRoot()), "\(path.family.blocks[block].name)")
        }
        // Linear in x: ∂L/∂x is had from the images of the unit vectors.
        var identity = Matrix(rows: sample.inputs, columns: sample.inputs)
        for unit in 0..<sample.inputs { identity[unit, unit] = 1 }
        let columns = try Self.naive(path, identity, path.blocks)
        for b in 0..<5 {
            for j in 0..<sample.inputs {
                let exact = (0..<sample.outputs).reduce(0.0) { $0 + Double(g[$1, b]) * columns[j][$1] }
                let size = (0..<sample.outputs).reduce(0.0) { $0 + abs(Double(g[$1, b]) * columns[j][$1]) }
                #expect(abs(Double(dx[j, b]) - exact) <= 1e-5 * (size + 0.1))
            }
        }
    }

    @Test("have singular values within the certificate, and equal to the closed form", arguments: PathCase.all)
    func spectra(sample: PathCase) throws {
        for perturbation: Float in [0, 0.3, 2] {
            let path = try PathUnderTest(sample.path, inputs: sample.inputs, outputs: sample.outputs, perturbation: perturbation)
            let values = try LAPACK.singularValues(path.materialised().view).map { Double($0) }
            let bounds = try path.certificate()
            #expect(values[0] <= bounds.upper && values.last! >= bounds.lower, "\(bounds)")
            guard let analytic = path.analyticSpectrum() else { continue }
            #expect(analytic.count == values.count)
            // gesdd errs by some roundings of the largest value.
            for (value, exact) in zip(values, analytic) { #expect(abs(value - exact) <= 5e-6 * analytic[0]) }
            #expect(analytic[0] <= bounds.upper && analytic.last! >= bounds.lower)
        }
    }

    @Test("refuse to certify what is not finite", arguments: PathCase.all)
    func notFinite(sample: PathCase) throws {
        let clean = try PathUnderTest(sample.path, inputs: sample.inputs, outputs: sample.outputs)
        for range in clean.places {
            var path = clean
            path.set { $0[range.lowerBound] = .nan }
            #expect(throws: LAPACKError.self) { try path.certificate() }
        }
    }

    @Test("leave no trace of an earlier batch in their work matrices", arguments: PathCase.all)
    func reuse(sample: PathCase) throws {
        let path = try PathUnderTest(sample.path, inputs: sample.inputs, outputs: sample.outputs, perturbation: 0.3)
        func bits(_ poisoned: Bool) -> [UInt32] {
            var scratch = path.family.scratchShapes(batch: 3).map { shape in
                Matrix(
                    rows: shape.rows, columns: shape.columns,
                    elements: Array(repeating: poisoned ? .nan : 0, count: shape.rows * shape.columns))
            }
            let (x, g) = (PathUnderTest.random(sample.inputs, 3, "x"), PathUnderTest.random(sample.outputs, 3, "g"))
            var (y, dx) = (Matrix(rows: sample.outputs, columns: 3), Matrix(rows: sample.inputs, columns: 3))
            var gradient = AlignedVector(count: path.parameters.count)
            do {
                var view = y.mutableView
                path.family.forward(
                    x.view, parameters: path.parameters.span, at: path.places, derived: path.derived, scratch: &scratch, into: &view
                )
            }
            do {
                var view = dx.mutableView
                var span = gradient.mutableSpan
                path.family.backward(
                    x.view, gradient: g.view, parameters: path.parameters.span, at: path.places, derived: path.derived,
                    scratch: &scratch, blockGradients: &span, into: &view)
            }
            return [
                y.span.indices.map { y.span[$0] }, gradient.span.indices.map { gradient.span[$0] },
                dx.span.indices.map { dx.span[$0] },
            ]
            .joined().map(\.bitPattern)
        }
        #expect(bits(true) == bits(false))
    }

    @Test("carry no learning-rate multiplier when that is switched off", arguments: PathCase.all)
    func unscaled(sample: PathCase) throws {
        let path = try PathUnderTest(
            sample.path, inputs: sample.inputs, outputs: sample.outputs, learningRateScaling: false)
        #expect(path.family.blocks.allSatisfy { $0.learningRateMultiplier == 1 })
    }

    @Test("that keep the width say which do not")
    func square() {
        let context = LayerContext(inputs: 4, outputs: 6, depth: 1, index: 0)
        #expect(throws: SpecificationError.self) { try context.squareWidth(of: "householder") }
        do { _ = try context.squareWidth(of: "householder") } catch {
            #expect(
                "\(error)"
                    == "model.path.family: got householder, expected a family that maps 4 units to 6, one of block-diagonal, "
                    + "block-tensor-train, bounded-svd, dense, kronecker, monarch, spectral-norm; householder keeps the width")
        }
    }
}
