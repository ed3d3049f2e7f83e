import LinearAlgebra
import Testing

@testable import StructuredLayers

extension SpectralNormPath: NaivePath {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        let sigma = Naive.powerStep(blocks[0], from: blocks[1], rows: pair.rows).sigma
        let ratio = Traced(bound) / sigma
        let factor = mode == .hard ? ratio : min(1, ratio)
        return Naive.multiply(blocks[0], x, rows: pair.rows).map { factor * $0 }
    }
}

@Suite("Spectral-norm paths")
struct SpectralNormTests {
    @Test("at rest, the norm is the bound: always, or where it would be above it", arguments: [(12, 12), (7, 12), (12, 7), (1, 5)])
    func bound(shape: (Int, Int)) throws {
        for (mode, limit, norm) in [("hard", 0.8, 0.8), ("hard", 30, 30), ("cap", 0.2, 0.2)] {
            var lone = try LonePath(
                "spectral-norm", ["mode": .text(mode), "bound": .number(limit)], inputs: shape.1, outputs: shape.0)
            lone.settle()
            let values = try LAPACK.singularValues(lone.jacobian(Matrix(rows: shape.1, columns: 1)).view)
            #expect(abs(Double(values[0]) - norm) < 1e-5 * norm)
        }
        let free = try LonePath("spectral-norm", ["mode": "cap", "bound": 30], inputs: shape.1, outputs: shape.0)
        let map = free.jacobian(Matrix(rows: shape.1, columns: 1))
        for index in 0..<shape.0 * shape.1 { #expect(map.span[index] == free.parameters.span[index]) }
    }

    @Test("gradients of a map that is not square equal central differences of the twin")
    func rectangular() throws {
        let (inputs, outputs) = (6, 9)
        var lone = try LonePath("spectral-norm", inputs: inputs, outputs: outputs)
        lone.settle()
        let (x, g) = (LayerTests.random(inputs, 3, "x"), LayerTests.random(outputs, 3, "g"))
        let (gradient, dx) = lone.backward(x, g)
        let twin = try #require(lone.path as? any NaivePath)
        var blocks = lone.places.map { $0.map { Double(lone.parameters.span[$0]) } }
        var points = (0..<3).map { b in (0..<inputs).map { Double(x[$0, b]) } }
        func loss() -> Double {
            let constants = blocks.map { $0.map { Traced($0) } }
            return (0..<3).reduce(0) { sum, b in
                let y = twin.naive(points[b].map { Traced($0) }, constants)
                return sum + (0..<outputs).reduce(0) { $0 + y[$1].value * Double(g[$1, b]) }
            }
        }
        for index in blocks[0].indices {
            let old = blocks[0][index]
            blocks[0][index] = old + 1e-5
            let above = loss()
            blocks[0][index] = old - 1e-5
            #expect(abs((above - loss()) / 2e-5 - Double(gradient.span[index])) < 2e-4)
            blocks[0][index] = old
        }
        for (i, b) in [(0, 0), (3, 1), (5, 2)] {
            let old = points[b][i]
            points[b][i] = old + 1e-5
            let above = loss()
            points[b][i] = old - 1e-5
            #expect(abs((above - loss()) / 2e-5 - Double(dx[i, b])) < 1e-4)
            points[b][i] = old
        }
    }

    @Test("hard: the scale of W has no effect, and the gradient is orthogonal to W")
    func scale() throws {
        var lone = try LonePath("spectral-norm", inputs: 8, outputs: 8)
        lone.settle()
        let (x, g) = (LayerTests.random(8, 4, "x"), LayerTests.random(8, 4, "g"))
        let (y, gradient) = (lone.forward(x), lone.backward(x, g).blocks)
        let weight = lone.places[0]
        let inner = VectorKernels.dot(lone.parameters.span.extracting(weight), gradient.span.extracting(weight))
        #expect(abs(inner) < 1e-5 * VectorKernels.sumOfSquares(gradient.span.extracting(weight)).squareRoot())
        lone.update(block: 0) { $1 * 4 }
        let scaled = lone.forward(x)
        for index in 0..<32 { #expect(abs(y.span[index] - scaled.span[index]) < 1e-6) }
    }

    @Test("the state goes from version to version through the gradient, towards the singular vector; σ grows towards σ₁")
    func state() throws {
        var lone = try LonePath("spectral-norm", inputs: 20, outputs: 15)
        lone.update(block: 1) { offset, _ in offset == 0 ? 1 : 0 }
        let (x, g) = (LayerTests.random(20, 2, "x"), LayerTests.random(15, 2, "g"))
        let exact = try LAPACK.singularValueDecomposition(
            MatrixView(lone.parameters.span.extracting(lone.places[0]), rows: 15, columns: 20))
        var last = 0.0
        for _ in 0..<400 {
            let sigma = lone.derived.scalars[0]
            #expect(sigma >= last * (1 - 1e-6) && sigma <= Double(exact.values[0]) * (1 + 1e-5))
            last = sigma
            let next = lone.backward(x, g).blocks
            #expect(abs(VectorKernels.sumOfSquares(next.span.extracting(lone.places[1])) - 1) < 1e-5)
            let place = lone.places[1].lowerBound
            lone.update(block: 1) { offset, _ in next.span[place + offset] }
        }
        #expect(abs(last - Double(exact.values[0])) < 1e-5 * last)
        let v = (0..<20).map { lone.parameters.span[lone.places[1].lowerBound + $0] }
        let alignment = (0..<20).reduce(Float(0)) { $0 + v[$1] * exact.vTransposed[0, $1] }
        #expect(abs(alignment) > 0.999)
    }

    @Test("far from rest, Ŵ overshoots its bound, and the certificate says so")
    func overshoot() throws {
        var lone = try LonePath("spectral-norm", inputs: 40, outputs: 40)
        lone.update(block: 1) { offset, _ in offset == 0 ? 1 : 0 }
        let certificate = try lone.certificate()
        let values = try LAPACK.singularValues(lone.jacobian(Matrix(rows: 40, columns: 1)).view)
        #expect(values[0] > 1.01)
        #expect(certificate.upper >= Double(values[0]) && certificate.upper < Double(values[0]) * 1.001)
        #expect(certificate.lower <= Double(values.last!))
    }

    @Test("a matrix of zeros has the norm 0 and leaves the state as it is; capped, it maps to 0")
    func zero() throws {
        var lone = try LonePath("spectral-norm", ["mode": "cap"], inputs: 5, outputs: 5)
        lone.update(block: 0) { _, _ in 0 }
        let derived = lone.derived
        #expect(derived.scalars[0] == 0)
        for i in 0..<5 { #expect(derived.matrices[1][0, i] == lone.parameters.span[lone.places[1].lowerBound + i]) }
        #expect(VectorKernels.maximumMagnitude(lone.forward(LayerTests.random(5, 2, "x")).span) == 0)
    }

    @Test("begin orthogonal when asked to, whichever side is longer", arguments: [(9, 5), (5, 9), (6, 6)])
    func orthogonalStart(shape: (Int, Int)) throws {
        let lone = try LonePath("spectral-norm", ["init": "orthogonal"], inputs: shape.1, outputs: shape.0)
        let w = MatrixView(lone.parameters.span.extracting(lone.places[0]), rows: shape.0, columns: shape.1)
        for value in try LAPACK.singularValues(w) { #expect(abs(value - 1) < 1e-5) }
    }

    @Test("refuse a bound that bounds nothing")
    func refusals() {
        func refusal(_ options: [String: OptionValue]) -> String {
            SpecificationTests.refusal { $0.path = PathSpecification(family: "spectral-norm", options: options) }
        }
        #expect(refusal(["bound": 0]) == "model.path.bound: got 0, expected a number above 0")
        #expect(refusal(["mode": "soft"]) == "model.path.mode: got soft, expected one of hard, cap")
    }
}
