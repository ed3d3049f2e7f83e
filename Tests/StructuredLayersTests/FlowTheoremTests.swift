import Foundation
import LinearAlgebra
import Testing

@testable import StructuredLayers

/// T3 and T4 of docs/theorems.md, on paths that are drawn and on paths that are trained.
@Suite("Theorems of flows")
struct FlowTheoremTests {
    static let width = 16

    /// A path whose first two blocks, the matrix and the bias, are drawn anew.
    static func drawn(_ family: String, _ options: [String: OptionValue], draw: UInt64, spread: Float) throws -> LonePath {
        var lone = try LonePath(family, options, inputs: width, outputs: width)
        let generator = CounterRNG(seed: draw, purpose: "flow")
        for block in 0..<2 {
            lone.update(block: block) { offset, _ in spread * Float(generator.normal(UInt64(block << 20 + offset))) }
        }
        return lone
    }

    static func point(_ draw: UInt64, columns: Int = 1, size: Float = 1) -> Matrix {
        var x = LayerTests.random(width, columns, "flow-\(draw)")
        var span = x.mutableSpan
        VectorKernels.scale(&span, by: size)
        return x
    }

    static func singularValues(_ lone: LonePath, at x: Matrix) throws -> [Double] {
        try LAPACK.singularValues(lone.jacobian(x).view).map { Double($0) }
    }

    /// What no spectral radius exceeds: ‖Jᵏ‖^(1/k) in Frobenius' norm, k = 2¹².
    static func radiusBound(_ jacobian: Matrix) -> Double {
        var power = DoubleMatrix(jacobian.view)
        for _ in 0..<12 { power = DoubleMatrix.product(power, power) }
        return pow(Naive.norm(power.elements.map { Traced($0) }).value, 1 / 4096)
    }

    @Test("T3.1: σ = √((1 − hγ)² + h²ω²); undamped every step grows, damped it contracts exactly up to h = 2γ/(γ² + ‖A‖²)")
    func linearSteps() throws {
        for draw in 0..<UInt64(200) {
            let spread = [0.1, 0.3, 1][Int(draw % 3)] as Float
            func lone(_ step: Double, _ damping: Double) throws -> LonePath {
                try Self.drawn(
                    "skew-euler", ["step": .number(step), "damping": .number(damping), "activation": "none"], draw: draw,
                    spread: spread)
            }
            let (x, omega) = (Self.point(draw), try SkewEulerTests.frequencies(lone(1, 0)))
            let (step, damping) = ([0.02, 0.2, 1][Int(draw / 3 % 3)], [0.05, 0.5, 2][Int(draw / 9 % 3)])
            let kept = 1 - step * damping
            let exact = omega.map { (kept * kept + step * step * $0 * $0).squareRoot() }
            for (value, exact) in zip(try Self.singularValues(lone(step, damping), at: x), exact) {
                #expect(abs(value - exact) < 1e-5 * max(1, exact))
            }
            let limit = 2 * damping / (damping * damping + omega[0] * omega[0])
            #expect(try Self.singularValues(lone(0.5 / omega[0], 0), at: x)[0] > 1.1)
            #expect(try Self.singularValues(lone(0.99 * limit, damping), at: x)[0] < 1 + 1e-5)
            // Beyond the limit σ₁² − 1 = h·(h·(γ² + ω²) − 2γ) = 0.6·hγ at h = 1.3 times the limit.
            let beyond = try Self.singularValues(lone(1.3 * limit, damping), at: x)[0]
            #expect(abs(beyond * beyond - 1 - 0.6 * 1.3 * limit * damping) < 1e-4 * beyond * beyond)
        }
    }

    @Test("T3.2: where φ′ differs between units, σ₁ is above 1 in places where the spectral radius is below")
    func growthBesideDecay() throws {
        var (places, largest) = (0, 0.0)
        for draw in 0..<UInt64(200) {
            let lone = try Self.drawn("skew-euler", ["step": 0.05, "damping": 0.5], draw: draw, spread: 0.3)
            let jacobian = lone.jacobian(Self.point(draw, size: 2))
            let first = Double(try LAPACK.singularValues(jacobian.view)[0])
            guard first > 1 + 1e-3, Self.radiusBound(jacobian) < 1 else { continue }
            (places, largest) = (places + 1, max(largest, first))
        }
        #expect(places > 0 && largest > 1.01, "\(places) places, \(largest) the largest")
    }

    @Test("T3.3: σ lies in [1 − h‖K‖, 1 + h‖K‖] for every φ, and over layers in the products", arguments: [Activation.tanh, .relu])
    func anyActivation(activation: Activation) throws {
        for draw in 0..<UInt64(200) {
            let (step, damping) = ([0.02, 0.2, 1][Int(draw % 3)], [0, 0.1, 1][Int(draw / 3 % 3)])
            let options: [String: OptionValue] = [
                "step": .number(step), "damping": .number(damping), "activation": .text(activation.rawValue),
            ]
            var (product, lower, upper) = (Matrix(rows: Self.width, columns: Self.width), 1.0, 1.0)
            for i in 0..<Self.width { product[i, i] = 1 }
            var x = Self.point(draw, size: [1, 3, 10][Int(draw / 9 % 3)])
            for layer in 0..<UInt64(4) {
                let lone = try Self.drawn("skew-euler", options, draw: draw << 2 + layer, spread: 0.3)
                let omega = try SkewEulerTests.frequencies(lone)[0]
                let reach = step * (damping * damping + omega * omega).squareRoot()
                let jacobian = lone.jacobian(x)
                let values = try LAPACK.singularValues(jacobian.view).map { Double($0) }
                let rounding = 1e-5 * (1 + reach)
                #expect(values[0] <= 1 + reach + rounding && values.last! >= 1 - reach - rounding)
                (lower, upper) = (lower * max(0, 1 - reach - rounding), upper * (1 + reach + rounding))
                var next = Matrix(rows: Self.width, columns: Self.width)
                do {
                    var view = next.mutableView
                    BLAS.gemm(jacobian.view, product.view, into: &view)
                }
                (product, x) = (next, lone.forward(x))
            }
            let values = try LAPACK.singularValues(product.view).map { Double($0) }
            #expect(values[0] <= upper * (1 + 1e-5) && values.last! >= lower - 1e-5 * upper)
        }
    }

    /// T4 for one path at one point and between two, with c′ = c·(‖W‖/s)² where the warm s is below ‖W‖.
    static func checkGradientStep(_ lone: LonePath, step: Double, reachMax: Double, draw: UInt64) throws {
        let hidden = lone.places[1].count
        let weight = MatrixView(lone.parameters.span.extracting(lone.places[0]), rows: hidden, columns: width)
        let ratio = Double(try LAPACK.singularValues(weight)[0]) / lone.derived.scalars[0]
        let reach = step * ratio * ratio
        #expect(reach < reachMax)
        let jacobian = lone.jacobian(point(draw, size: 2))
        for i in 0..<width { for j in 0..<i { #expect(abs(jacobian[i, j] - jacobian[j, i]) < 1e-5) } }
        let values = try LAPACK.singularValues(jacobian.view).map { Double($0) }
        #expect(values[0] <= max(1, reach - 1) + 1e-5 && values[width - 1] >= 1 - reach - 1e-5)
        // The eigenvalues have signs.
        let eigenvalues = try LAPACK.symmetricEigenvalues(DoubleMatrix(jacobian.view))
        #expect(eigenvalues[0] >= 1 - reach - 1e-5 && eigenvalues[width - 1] <= 1 + 1e-5)
        guard step <= 1 else { return }
        let x = point(draw ^ 0xFFFF, columns: 2, size: 3)
        let y = lone.forward(x)
        var (along, squares) = (0.0, 0.0)
        for i in 0..<width {
            let difference = Double(x[i, 0]) - Double(x[i, 1])
            along += (Double(y[i, 0]) - Double(y[i, 1])) * difference
            squares += difference * difference
        }
        #expect(along >= (1 - reach - 1e-5) * squares, "monotone")
    }

    @Test("T4: on 200 draws the Jacobian is symmetric with eigenvalues in [1 − c, 1], and the map is monotone for c ≤ 1")
    func gradientSteps() throws {
        for draw in 0..<UInt64(200) {
            let step = [0.3, 0.7, 1, 2][Int(draw % 4)]
            let options: [String: OptionValue] = [
                "step": .number(step), "hidden": .integer([6, 16, 40][Int(draw / 4 % 3)]),
                "activation": draw / 12 % 2 == 0 ? "relu" : "tanh",
            ]
            var lone = try Self.drawn("gradient-flow", options, draw: draw, spread: [0.1, 1, 5][Int(draw / 24 % 3)])
            lone.settle(rounds: 60)
            try Self.checkGradientStep(lone, step: step, reachMax: 1.1 * step, draw: draw)
        }
    }

    @Test("T4: trained paths keep to it", arguments: [0.5, 1, 2])
    func gradientStepsInTraining(step: Double) throws {
        var lone = try Self.drawn("gradient-flow", ["step": .number(step)], draw: 9, spread: 0.25)
        lone.settle(rounds: 60)
        let (x, target) = (Self.point(1, columns: 8), Self.point(2, columns: 8))
        var losses: [Double] = []
        for taken in 0..<320 {
            let y = lone.forward(x)
            var g = Matrix(rows: Self.width, columns: 8)
            for i in 0..<Self.width { for b in 0..<8 { g[i, b] = y[i, b] - target[i, b] } }
            losses.append(VectorKernels.sumOfSquares(g.span))
            let gradient = lone.backward(x, g).blocks
            let places = lone.places
            let squares = places[0].reduce(0.0) { $0 + Double(gradient.span[$1]) * Double(gradient.span[$1]) }
            // A hundredth of ‖W‖: the longer the steps, the further the warm vectors fall behind.
            let rate = Float(0.02 / squares.squareRoot())
            for block in 0..<2 {
                lone.update(block: block) { offset, value in value - rate * gradient.span[places[block].lowerBound + offset] }
            }
            lone.update(block: 2) { offset, _ in gradient.span[places[2].lowerBound + offset] }
            if taken % 16 == 15 {
                try Self.checkGradientStep(lone, step: step, reachMax: 1.6 * step, draw: UInt64(taken))
            }
        }
        #expect(losses.last! < 0.9 * losses[0], "it learns: \(losses[0]), \(losses.last!)")
    }
}
