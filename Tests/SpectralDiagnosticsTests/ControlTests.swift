import Foundation
import LinearAlgebra
import Synchronization
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
            &own, false, eigenvalues([w]), .resolved(exact.map { $0.squareRoot() }), { _ in Self.generator }, small: small,
            large: large)
        let found = WeightwatcherColumns(of: [w], isKernel: false) { _ in Self.generator }.figures
        #expect(expected.count == 11)
        for (name, value) in expected {
            let (value, figure) = try (#require(value.number), #require(found.first { $0.name == name }?.value.number))
            #expect(abs(figure - value) <= 1e-4 * max(abs(value), 1e-3), "\(name): \(figure) \(value)")
        }
        // The oracle for what both of them share.
        for (name, value) in [("max_rand_eval", try #require(exact.last)), ("rand_bulk_max", try #require(fit.bulkUpper.number))] {
            let figure = try #require(found.first { $0.name == name }?.value.number)
            #expect(abs(figure - value) <= 1e-4 * value, "\(name): \(figure) \(value)")
        }
    }

    /// What is on offer, and how often.
    private final class Offers: Sendable {
        let all = Mutex<[any OfferedWork]>([])
        private let runs: Bool

        init(runs: Bool) { self.runs = runs }

        func add(_ work: any OfferedWork) {
            all.withLock { $0.append(work) }
            if runs { work.run() }
        }
    }

    @Test("has the same bits when its work is done before it is asked for", arguments: [0, 100])
    func handedOver(shift: Int) {
        let w = Self.matrix(200, 160, shift: Float(shift))
        let (idle, none) = (Offers(runs: true), WeightSpectra(of: [w], control: Self.generator))
        let taken = WeightSpectra(of: [w], control: Self.generator, offering: idle.add)
        #expect(taken.control?.singularValues == none.control?.singularValues && taken.tail == none.tail)
        #expect(taken.spectrum.singularValues == none.spectrum.singularValues)
        let columns = { (offering: (any OfferedWork) -> Void) in
            WeightwatcherColumns(of: [w], isKernel: false, control: { _ in Self.generator }, offering: offering).figures.map(
                \.value)
        }
        #expect(columns(idle.add) == columns { _ in })
        #expect(idle.all.withLock { $0.count } == 2, "one offer for each")
    }

    @Test("is begun by one thread, whoever comes first")
    func contended() {
        let w = Self.matrix(128, 128)
        let expected = WeightSpectra(of: [w], control: Self.generator).control?.singularValues
        for _ in 0..<20 {
            let group = DispatchGroup()
            let found = WeightSpectra(of: [w], control: Self.generator) { work in
                for _ in 0..<2 {
                    let thread = Thread {
                        work.run()
                        group.leave()
                    }
                    group.enter()
                    thread.start()
                }
            }
            #expect(found.control?.singularValues == expected)
            group.wait()
        }
    }

    @Test("is on offer to nobody once its matrix is done, nor where it is not needed")
    func withdrawn() {
        let offers = Offers(runs: false)
        _ = WeightSpectra(of: [Self.matrix(128, 128)], control: Self.generator, offering: offers.add)
        #expect(offers.all.withLock { $0.map(\.isOpen) } == [false])
        var broken = Self.matrix(128, 128)
        broken[3, 5] = .nan
        for w in [broken, Self.matrix(100, 128), Self.matrix(128, 128, scale: 1e-15), Matrix(rows: 128, columns: 128)] {
            _ = WeightSpectra(of: [w], control: Self.generator, offering: offers.add)
            _ = WeightwatcherColumns(of: [w], isKernel: false, control: { _ in Self.generator }, offering: offers.add)
        }
        _ = WeightSpectra(of: [Self.matrix(140, 140)], completeUpTo: 130, control: Self.generator, offering: offers.add)
        _ = WeightSpectra(of: [Self.matrix(140, 140)], control: nil, offering: offers.add)
        #expect(offers.all.withLock { $0.count } == 1)
    }

    @Test("as work on offer, is done once and let go of")
    func offered() {
        final class Witness: Sendable {}
        let count = Atomic(0)
        var witness: Witness? = Witness()
        weak let held = witness
        let begun = WorkOffer { [witness] in
            _ = witness
            return count.wrappingAdd(1, ordering: .relaxed).newValue
        }
        witness = nil
        #expect(begun.isOpen && held != nil)
        begun.run()
        #expect(!begun.isOpen && held == nil)
        begun.run()
        #expect(begun.value() == 1 && count.load(ordering: .relaxed) == 1)
        let withdrawn = WorkOffer { count.wrappingAdd(1, ordering: .relaxed).newValue }
        withdrawn.withdraw()
        withdrawn.run()
        #expect(!withdrawn.isOpen && count.load(ordering: .relaxed) == 1)
    }
}
