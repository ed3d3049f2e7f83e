import Foundation
import LinearAlgebra
import SpectralDiagnostics
import Testing

/// What Tests/Oracles/weights.py makes, to the bit.
private func oracleSlices(_ shape: [Int], seed: UInt32) -> [Matrix] {
    var state = seed
    let (columns, places) = (shape[1], shape.dropFirst(2).reduce(1, *))
    var slices = Array(repeating: Matrix(rows: shape[0], columns: columns), count: places)
    for index in 0..<shape[0] * columns * places {
        var sum = 0.0
        for _ in 0..<4 {
            state = state &* 1_664_525 &+ 1_013_904_223
            sum += Double(state) / 4_294_967_296 - 0.5
        }
        let (place, column) = (index % places, index / places % columns)
        slices[place][index / places / columns, column] = Float(sum * pow(2, -Double(column % 7)))
    }
    return slices
}

private func gaussian(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var matrix = Matrix(rows: rows, columns: columns)
    var elements = matrix.mutableSpan
    CounterRNG(seed: seed, purpose: "weights test").fillNormal(&elements, standardDeviation: 1)
    return matrix
}

@Suite("weightwatcher's columns")
struct WeightwatcherColumnsTests {
    @Test("equal weightwatcher's, of matrices and kernels")
    func golden() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Oracles/golden/weights.txt")
        var columns: WeightwatcherColumns?
        var fit: WeightwatcherNoiseFit?
        var compared = 0
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words[0] == "case" {
                let shape = words.dropFirst(2).compactMap { Int($0) }
                let slices = oracleSlices(shape, seed: UInt32(words[1])!)
                let found = WeightwatcherColumns(of: slices, isKernel: shape.count == 4, control: nil)
                let scale = shape.count == 4 ? 0.5 : 1
                let eigenvalues = try slices.flatMap { try LAPACK.singularValues(DoubleMatrix($0.view)) }.map { $0 * $0 * scale }
                (columns, fit) = (found, WeightwatcherNoiseFit(eigenvalues: eigenvalues, small: found.small, large: found.large))
            } else if words[0] == "warning" {
                #expect(columns?.warning == (words[1] == "none" ? "" : words[1]), "\(line)")
            } else {
                let (expected, (found, tolerance)) = try (#require(Double(words[1])), #require(figure(words[0], columns, fit)))
                #expect(
                    abs(found - expected) <= tolerance * max(1, abs(expected)), "\(columns?.receptiveField ?? 0) \(line) \(found)")
                compared += 1
            }
        }
        #expect(compared == 8 * 30)
    }

    /// With its tolerance: the fit of the bulk is a search that stops at 1e-4 there.
    private func figure(_ name: String, _ columns: WeightwatcherColumns?, _ fit: WeightwatcherNoiseFit?) -> (Double, Double)? {
        guard let columns, let fit else { return nil }
        let fitted: Measured? =
            switch name {
            case "num_spikes": fit.spikes
            case "sigma_mp": fit.deviation
            case "mp_softrank": fit.softRank
            case "W_scale": fit.scale
            case "bulk_max": fit.bulkUpper
            case "bulk_min": fit.bulkLower
            default: nil
            }
        if let value = fitted?.number { return (value, 1e-3) }
        switch name {
        case "M": return (Double(columns.small), 0)
        case "N": return (Double(columns.large), 0)
        case "rf": return (Double(columns.receptiveField), 0)
        default: return columns.figures.first { $0.name == name }?.value.number.map { ($0, 1e-7) }
        }
    }

    @Test("randomised columns: the same every time, and as far from a shuffled matrix as weightwatcher says noise is")
    func randomised() throws {
        let control = { (order: Int) in CounterRNG(seed: 1, purpose: "order", index: UInt64(order)) }
        let matrix = gaussian(160, 120, seed: 4)
        let (first, second) = (
            WeightwatcherColumns(of: [matrix], isKernel: false, control: control),
            WeightwatcherColumns(of: [matrix], isKernel: false, control: control)
        )
        #expect(
            first.figures.map(\.name) == second.figures.map(\.name) && first.figures.map(\.value) == second.figures.map(\.value))
        func figure(_ name: String) -> Double { first.figures.first { $0.name == name }?.value.number ?? .nan }
        #expect(abs(figure("ww_softrank") - 1) < 0.15 && figure("rand_distance") < 0.05 && figure("num_traps") == 0)
        #expect(abs(figure("ww_maxdist") - figure("lambda_max") * (1 - figure("ww_softrank"))) < 1e-9 * figure("lambda_max"))
    }
}

@Suite("D1 and D2: solvers, bounds")
struct SolverTests {
    @Test("Golub and Kahan: a singular value within each residual, the top exact", arguments: [(60, 60), (90, 40), (40, 90)])
    func golubKahan(rows: Int, columns: Int) throws {
        let matrix = gaussian(rows, columns, seed: 5)
        let exact = try LAPACK.singularValues(DoubleMatrix(matrix.view))
        let found = try GolubKahan(of: MatrixOperator(matrix), steps: 24)
        #expect(found.values.count == 24 && abs(found.values[0] - exact[0]) < 1e-4 * exact[0])
        for (value, residual) in zip(found.values, found.residuals) {
            #expect(exact.map { abs($0 - value) }.min()! <= residual)
        }
        let all = try GolubKahan(of: MatrixOperator(matrix), steps: 1000)
        #expect(zip(all.values, exact).allSatisfy { abs($0 - $1) < 1e-4 * exact[0] } && all.values.count == 40 || rows == columns)
        #expect(all.residuals[0] < 1e-4 * exact[0])
    }

    @Test("Golub and Kahan on rank one, zero and an isometry")
    func exhausted() throws {
        var one = Matrix(rows: 30, columns: 20)
        for i in 0..<30 { for j in 0..<20 { one[i, j] = Float(i + 1) * Float(j + 1) } }
        let norm = VectorKernels.sumOfSquares(one.span).squareRoot()
        let found = try GolubKahan(of: MatrixOperator(one), steps: 8)
        #expect(abs(found.values[0] - norm) < 1e-5 * norm && found.residuals[0] < 1e-4 * norm)
        #expect(try GolubKahan(of: MatrixOperator(Matrix(rows: 3, columns: 5)), steps: 8).values == [0])
        var identity = Matrix(rows: 10, columns: 10)
        for i in 0..<10 { identity[i, i] = 3 }
        #expect(abs(try GolubKahan(of: MatrixOperator(identity), steps: 8).values[0] - 3) < 1e-5)
        var bad = identity
        bad[1, 1] = .nan
        #expect(throws: LAPACKError.self) { try GolubKahan(of: MatrixOperator(bad), steps: 8) }
    }

    @Test("every singular value to 1e-6 of the largest, and to the last bits where the matrix is nearly singular")
    func hilbert() throws {
        var hilbert = Matrix(rows: 12, columns: 12)
        for i in 0..<12 { for j in 0..<12 { hilbert[i, j] = 1 / Float(i + j + 1) } }
        let exact = try LAPACK.singularValues(DoubleMatrix(hilbert.view))
        let spectrum = MatrixSpectrum(of: hilbert.view)
        for (value, expected) in zip(spectrum.singularValues, exact) { #expect(abs(value - expected) < 1e-14) }
        #expect(spectrum.conditionNumber.reason!.hasPrefix("rank deficient"))
        let large = gaussian(150, 300, seed: 2)
        for (value, expected) in zip(
            MatrixSpectrum(of: large.view).singularValues, try LAPACK.singularValues(DoubleMatrix(large.view)))
        { #expect(abs(value - expected) < 1e-10 * expected) }
    }

    @Test("beyond the limit: the largest values with residuals, and reasons for what needs all")
    func partial() throws {
        let matrix = gaussian(150, 150, seed: 3)
        let exact = try LAPACK.singularValues(DoubleMatrix(matrix.view))
        let report = WeightSpectra(of: [matrix], completeUpTo: 100, control: CounterRNG(seed: 0, purpose: "c"))
        #expect(report.spectrum.singularValues.count == 32 && !report.spectrum.isComplete && report.control == nil)
        #expect(abs(report.spectrum.spectralNorm.number! - exact[0]) <= report.spectrum.spectralNorm.uncertainty!)
        #expect(report.bracket.lower.number! <= exact[0] && exact[0] <= report.bracket.upper.number!)
        #expect(report.spectrum.conditionNumber.reason == "only the 32 largest singular values are known")
        #expect(report.tail.alpha.reason == "only the 32 largest singular values are known")
    }
}

@Suite("D1–D8 of weights")
struct WeightTests {
    @Test("the control: the same elements without the structure, the same every time")
    func control() {
        // Three directions, each spread over all elements, so that no element stands out: σ = 141 beside noise that ends at 24.
        var planted = gaussian(200, 100, seed: 1)
        let (left, right) = (gaussian(200, 3, seed: 11), gaussian(100, 3, seed: 12))
        for row in 0..<200 {
            for column in 0..<100 {
                for spike in 0..<3 { planted[row, column] += left[row, spike] * right[column, spike] * 0.5 }
            }
        }
        let generator = CounterRNG(seed: 0, purpose: "control w")
        let report = WeightSpectra(of: [planted], control: generator)
        #expect(report.bulk.spikes.number == 3 && report.control!.bulk.spikes.number! == 0)
        #expect(report.control?.singularValues == WeightSpectra(of: [planted], control: generator).control?.singularValues)
        let squares = report.control!.singularValues.reduce(0) { $0 + $1 * $1 }
        #expect(abs(squares.squareRoot() - report.spectrum.frobeniusNorm.number!) < 1e-9 * squares.squareRoot())
    }

    @Test("what is no ordinary matrix: a reason for every figure that has none, and no crash")
    func hard() {
        let wide: [Float] = (1...60).map { Float($0) }
        let cases: [(Matrix, String)] = [
            (Matrix(rows: 2, columns: 2, elements: [.nan, 1, 1, 1]), "the matrix holds NaN or infinity"),
            (Matrix(rows: 2, columns: 2, elements: [.infinity, 1, 1, 1]), "the matrix holds NaN or infinity"),
            (Matrix(rows: 0, columns: 5), "the matrix is empty"), (Matrix(rows: 1, columns: 1, elements: [3]), "too few"),
            (Matrix(rows: 60, columns: 60), "zero"), (Matrix(rows: 1, columns: 60, elements: wide), "too few"),
        ]
        for (matrix, reason) in cases {
            let report = WeightSpectra(of: [matrix], control: CounterRNG(seed: 0, purpose: "hard"))
            #expect(report.tail.alpha.reason?.contains(reason) == true, "\(report.tail.alpha)")
            #expect(report.rows(layer: 3).allSatisfy { $0.layer == 3 && ($0.value.number?.isFinite ?? true) })
            #expect(
                UpdateSpectrum(from: matrix.view, to: matrix.view).rows(layer: nil).allSatisfy { $0.value.number?.isFinite ?? true }
            )
        }
        var outer = Matrix(rows: 60, columns: 60)
        for i in 0..<60 { for j in 0..<60 { outer[i, j] = (1 + Float(i) / 7) * (1 + Float(j) / 3) } }
        let report = WeightSpectra(of: [outer], control: nil)
        #expect(report.spectrum.conditionNumber.reason!.hasPrefix("rank deficient"))
        #expect(report.tail.alpha.reason!.contains("too few") && report.bulk.spikes.reason != nil)
        #expect(WeightwatcherColumns(of: [], isKernel: false, control: nil).reason == "the matrix is empty")
    }

    @Test("orthogonality: both norms of WᵀW − I")
    func orthogonality() {
        var matrix = Matrix(rows: 4, columns: 4)
        for i in 0..<4 { matrix[i, i] = i == 0 ? 2 : 1 }
        let spectrum = MatrixSpectrum(of: matrix.view)
        #expect(abs(spectrum.orthogonalityNorm.number! - 3) < 1e-12 && abs(spectrum.orthogonalityError.number! - 1.5) < 1e-12)
    }

    @Test("an update of rank one: its norms and ranks")
    func update() throws {
        let before = gaussian(40, 30, seed: 6)
        var after = before
        for i in 0..<40 { for j in 0..<30 { after[i, j] += 0.01 * Float(i + 1) * Float(30 - j) } }
        let exact = UpdateSpectrum(from: before.view, to: after.view)
        let (change, size) = (exact.singularValues[0], try LAPACK.singularValues(DoubleMatrix(before.view))[0])
        let expected = 0.01 * (22140.0 * 9455).squareRoot()
        #expect(abs(change - expected) < 1e-5 * expected)
        #expect(abs(exact.relativeSpectralNorm.number! - expected / size) < 1e-5 * expected / size)
        #expect(abs(exact.effectiveRank.number! - 1) < 1e-3 && abs(exact.stableRank.number! - 1) < 1e-5)
    }

    @Test("the histogram holds every value once")
    func histogram() {
        let histogram = SpectrumHistogram([4, 2, 1, 0.5, 0], bins: 3)
        #expect(histogram.counts.reduce(0, +) == 4 && histogram.below == 1 && histogram.edges.count == 4)
        #expect(abs(histogram.edges[0] - 0.5) < 1e-12 && abs(histogram.edges[3] - 4) < 1e-12 && histogram.counts == [1, 1, 2])
        #expect(SpectrumHistogram([]).counts.isEmpty && SpectrumHistogram([2, 2]).counts == [2])
    }
}
