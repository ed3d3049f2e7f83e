import LinearAlgebra
import Testing

@testable import SpectralDiagnostics

/// A control in float32 beside the same one in float64.
@Suite("A shuffled matrix's control")
struct ControlTests {
    private static let generator = CounterRNG(seed: 11, purpose: "control test")

    private static func matrix(_ rows: Int, _ columns: Int, power: Int = 1, shift: Float = 0, scale: Float = 1) -> Matrix {
        var matrix = Matrix(rows: rows, columns: columns)
        var elements = matrix.mutableSpan
        generator.fillNormal(&elements, standardDeviation: 1)
        for index in 0..<elements.count {
            let element = elements[index]
            elements[index] = scale * ((1..<power).reduce(element) { product, _ in product * element } + shift)
        }
        return matrix
    }

    /// Of rank one with noise, by outer product of what is drawn.
    private static func lowRank(_ size: Int) -> Matrix {
        let noise = matrix(size, size, scale: 0.01)
        var result = noise
        for row in 0..<size {
            for column in 0..<size { result[row, column] += noise[row, 0] * noise[0, column] * 1e4 }
        }
        return result
    }

    private static func both(_ w: Matrix) -> (rough: WeightSpectra.Control?, exact: MatrixSpectrum, laws: (PowerLawTail, NoiseBulk))
    {
        var slices = [w]
        let spectrum = MatrixSpectrum(of: w.view)
        WeightSpectra.shuffle(&slices, generator, rows: w.rows, columns: w.columns)
        let exact = MatrixSpectrum(ofAll: slices)
        return (WeightSpectra.roughControl(of: slices, like: spectrum), exact, WeightSpectra.laws(exact))
    }

    @Test("in float32 gives what float64 gives, of noise, heavy tails and a shuffled matrix of low rank", arguments: 0..<6)
    func agrees(index: Int) throws {
        let w =
            switch index {
            case 0: Self.matrix(256, 256)
            case 1: Self.matrix(200, 700)
            case 2: Self.matrix(700, 200, scale: 1e-6)
            case 3: Self.matrix(300, 300, power: 3)
            case 4: Self.lowRank(256)
            default: Self.matrix(300, 200, power: 5)
            }
        let (found, exact, (tail, bulk)) = Self.both(w)
        let rough = try #require(found)
        let largest = exact.singularValues[0]
        #expect(rough.singularValues.count == exact.singularValues.count)
        for (value, expected) in zip(rough.singularValues, exact.singularValues) {
            #expect(abs(value * value - expected * expected) <= 2e-6 * largest * largest)
        }
        let pairs = [
            (rough.tail.alpha, tail.alpha), (rough.tail.tailStart, tail.tailStart), (rough.bulk.softRank, bulk.softRank),
            (rough.bulk.noiseDeviation, bulk.noiseDeviation),
        ]
        for (value, expected) in pairs {
            let (value, expected) = try (#require(value.number), #require(expected.number))
            #expect(abs(value - expected) <= 1e-3 * expected, "\(index): \(value) \(expected)")
        }
        #expect(rough.tail.tailCount == tail.tailCount)
        #expect(rough.bulk.spikes == bulk.spikes)
    }

    @Test("is left to float64 where float32 could be seen: a mean that dwarfs the rest, elements out of range, small matrices")
    func fallsBack() {
        #expect(Self.both(Self.matrix(256, 256, shift: 10)).rough == nil)
        #expect(Self.both(Self.matrix(256, 256, shift: 100)).rough == nil)
        #expect(Self.both(Self.matrix(256, 256, scale: 1e-15)).rough == nil)
        #expect(Self.both(Self.matrix(256, 256, scale: 1e14)).rough == nil)
        #expect(Self.both(Self.matrix(100, 300)).rough == nil)
    }

    @Test("is there whichever it comes from")
    func isWhole() throws {
        for w in [Self.matrix(128, 128), Self.matrix(128, 128, shift: 100), Self.matrix(128, 128, scale: 1e-15)] {
            let control = try #require(WeightSpectra(of: [w], control: Self.generator).control)
            #expect(control.tail.alpha.number != nil && control.singularValues.count == 128)
        }
    }

    @Test("left to float64 is of the same order of the elements")
    func sameOrder() throws {
        let w = Self.matrix(160, 128, shift: 100)
        let control = try #require(WeightSpectra(of: [w], control: Self.generator).control)
        #expect(control.singularValues == Self.both(w).exact.singularValues)
    }

    @Test(
        "gives weightwatcher's columns as float64 does", arguments: [(256, 256, 0), (200, 700, 0), (700, 200, 0), (256, 256, 100)])
    func weightwatcherColumns(rows: Int, columns: Int, shift: Int) throws {
        let w = Self.matrix(rows, columns, shift: Float(shift))
        var (own, slices) = ([w], [w])
        WeightSpectra.shuffle(&slices, Self.generator, rows: rows, columns: columns)
        let shuffled = slices
        func eigenvalues(_ matrices: [Matrix]) throws -> [Double] {
            let matrix = matrices[0]
            return try LAPACK.singularValues(DoubleMatrix(matrix.view)).map { $0 * $0 }.sorted()
        }
        let (small, large) = (min(rows, columns), max(rows, columns))
        let (exact, fit) = (
            try eigenvalues(shuffled), WeightwatcherNoiseFit(eigenvalues: try eigenvalues(shuffled), small: small, large: large)
        )
        let expected = try WeightwatcherColumns.randomised(
            &own, false, eigenvalues([w]), exact.map { $0.squareRoot() }, { _ in Self.generator }, small: small, large: large)
        let found = WeightwatcherColumns(of: [w], isKernel: false) { _ in Self.generator }.figures
        #expect(expected.count == 11)
        for (name, value) in expected {
            let (value, figure) = try (#require(value.number), #require(found.first { $0.name == name }?.value.number))
            #expect(abs(figure - value) <= 1e-4 * max(abs(value), 1e-3), "\(name): \(figure) \(value)")
        }
        #expect(expected.first { $0.name == "max_rand_eval" }?.value.number == exact.last)
        #expect(expected.first { $0.name == "rand_bulk_max" }?.value == fit.bulkUpper)
    }
}
