import LinearAlgebra
import SpectralDiagnostics
import Testing

/// A format's significand in bits, and its smallest number as a power of two.
private struct Format: CustomTestStringConvertible, Sendable {
    var precision: ElementPrecision
    var bits: Int
    var smallest: Int

    var testDescription: String { precision.name }

    static let all = [
        Format(precision: .float32, bits: 24, smallest: -149), Format(precision: .float16, bits: 11, smallest: -24),
        Format(precision: .bfloat16, bits: 8, smallest: -133), Format(precision: .float8e4m3, bits: 4, smallest: -9),
        Format(precision: .float8e5m2, bits: 3, smallest: -16),
    ]

    /// To nearest and to even, as storing does it.
    func stored(_ matrix: Matrix, scale: Double = 1) -> Matrix {
        var result = matrix
        for i in 0..<matrix.rows {
            for j in 0..<matrix.columns {
                let element = Double(matrix[i, j]) * scale
                let exponent = element == 0 ? smallest : max(smallest, Int(element.exponent) - bits + 1)
                let unit = Double(sign: .plus, exponent: exponent, significand: 1)
                result[i, j] = Float((element / unit).rounded(.toNearestOrEven) * unit)
            }
        }
        return result
    }
}

@Suite("Spectra of weights that were stored in fewer bits")
struct StoredPrecisionTests {
    @Test("the rounding of these tests is that of float16 and float32")
    func rounding() {
        let matrix = Oracle.gaussian(40, 30, seed: 5)
        for scale in [1, 1e-5, 3e-7, 1e-41] {
            let (half, single) = (Format.all[1].stored(matrix, scale: scale), Format.all[0].stored(matrix, scale: scale))
            for i in 0..<40 {
                for j in 0..<30 {
                    let element = Double(matrix[i, j]) * scale
                    #expect(half[i, j] == Float(Float16(element)) && single[i, j] == Float(element))
                }
            }
        }
    }

    @Test(
        "a matrix of rank six whose elements are near the smallest number has none either",
        arguments: [(0, 1e-41), (0, 1e-44), (1, 1e-6), (1, 1e-5), (2, 1e-39), (3, 1e-3), (3, 2e-3), (4, 1e-5)])
    func subnormal(format: Int, scale: Double) {
        let format = Format.all[format]
        let exact = Oracle.product(Oracle.gaussian(256, 6, seed: 1), Oracle.gaussian(6, 128, seed: 2))
        let spectra = WeightSpectra(
            of: [format.stored(exact, scale: scale)], precision: format.precision, control: CounterRNG(seed: 0, purpose: "c"))
        let reasons = [spectra.spectrum.conditionNumber, spectra.tail.alpha, spectra.bulk.spikes].map(\.reason)
        #expect(reasons.allSatisfy { $0?.contains("rounding") == true }, "\(reasons) \(spectra.tail.alpha)")
    }

    @Test(
        "a matrix of rank six has no condition, tail or bulk in any of them, and says what it was stored in", arguments: Format.all)
    fileprivate func lowRank(format: Format) {
        let exact = Oracle.product(Oracle.gaussian(256, 6, seed: 1), Oracle.gaussian(6, 128, seed: 2))
        let spectra = WeightSpectra(
            of: [format.stored(exact)], precision: format.precision, control: CounterRNG(seed: 0, purpose: "c"))
        #expect(spectra.spectrum.conditionNumber.reason?.contains("rounding the elements to \(format.precision.name)") == true)
        #expect(spectra.spectrum.smallestSingularValue.reason != nil)
        let tail = spectra.tail.alpha
        #expect(
            tail.reason == "6 eigenvalues above rounding to \(format.precision.name) are too few for a tail; 50 are needed",
            "\(tail)")
        #expect(
            spectra.bulk.spikes.reason?.contains("rounding the elements to \(format.precision.name)") == true,
            "\(spectra.bulk.spikes)")
        #expect(spectra.bulk.softRank.reason != nil)
    }

    @Test("noise of full rank keeps its tail and its bulk", arguments: Format.all)
    fileprivate func fullRank(format: Format) {
        let matrix = Oracle.gaussian(256, 128, seed: 3)
        let (exact, stored) = (
            WeightSpectra(of: [matrix], control: nil),
            WeightSpectra(of: [format.stored(matrix)], precision: format.precision, control: nil)
        )
        #expect(stored.tail.alpha.number != nil && stored.bulk.spikes.number == 0)
        let (a, b) = (exact.bulk.noiseDeviation.number!, stored.bulk.noiseDeviation.number!)
        #expect(abs(a - b) < 0.02 * a)
        // Errors of u in each element move σ_min by up to u·‖W‖_F, of 181: more than itself in eight bits.
        #expect((stored.spectrum.conditionNumber.number == nil) == (format.bits < 8), "\(stored.spectrum.conditionNumber)")
    }

    @Test("a kernel's matrices, alike")
    func kernel() {
        let slices = (0..<9 as Range<UInt64>).map { place in
            Format.all[2].stored(Oracle.product(Oracle.gaussian(40, 2, seed: place), Oracle.gaussian(2, 30, seed: 20 + place)))
        }
        let spectra = WeightSpectra(of: slices, precision: .bfloat16, control: nil)
        #expect(spectra.bulk.spikes.reason?.contains("bfloat16") == true && spectra.tail.alpha.reason?.contains("bfloat16") == true)
    }
}

@Suite("D6 of convolutions' kernels")
struct KernelNoiseTests {
    @Test("noise has a spike in hardly more than one spectrum of a hundred, of a kernel or of one small matrix")
    func sizes() {
        for (rows, columns, slices) in [(32, 32, 9), (16, 16, 9), (32, 32, 1), (64, 32, 1), (24, 20, 1)] {
            var alarms = 0
            for seed in 0..<400 {
                let kernel = (0..<slices).map { Oracle.gaussian(rows, columns, seed: UInt64(10_000 + seed * slices + $0)) }
                let values = MatrixSpectrum(ofAll: kernel).singularValues
                let bulk = NoiseBulk(singularValues: values, rows: rows, columns: columns, slices: slices)
                if bulk.spikes.number! > 0 { alarms += 1 }
            }
            // Twenty of 400 are 5 %; at the 2.2 % of the worst of these sizes they have a chance of 1e-3.
            #expect(alarms < 20, "\(rows) × \(columns), \(slices): \(alarms)")
        }
    }

    @Test("noise has a spike in one kernel of a hundred, and so has its control")
    func falseAlarms() {
        var (alarms, controlAlarms) = (0, 0)
        for seed in 0..<200 as Range<UInt64> {
            let kernel = (0..<9).map { Oracle.gaussian(32, 32, seed: seed * 9 + $0) }
            let spectra = WeightSpectra(of: kernel, control: CounterRNG(seed: seed, purpose: "kernels"))
            if spectra.bulk.spikes.number! > 0 { alarms += 1 }
            if spectra.control!.bulk.spikes.number! > 0 { controlAlarms += 1 }
        }
        // Three of 200 are expected; nine or more have a chance below 5e-3.
        #expect(alarms < 9 && controlAlarms < 9, "\(alarms) \(controlAlarms)")
    }

    @Test("matrices of one element have no bulk")
    func single() {
        let kernel = (1...25).map { Matrix(rows: 1, columns: 1, elements: [Float($0)]) }
        #expect(WeightSpectra(of: kernel, control: nil).bulk.spikes.reason == "matrices of one element have no bulk")
    }

    @Test("a direction planted at one place is still found")
    func planted() {
        var kernel = (0..<9).map { Oracle.gaussian(32, 32, seed: UInt64($0)) }
        kernel[4][3, 5] += 30
        #expect(WeightSpectra(of: kernel, control: nil).bulk.spikes.number == 1)
    }
}
