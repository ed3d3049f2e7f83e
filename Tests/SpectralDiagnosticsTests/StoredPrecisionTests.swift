import LinearAlgebra
import SpectralDiagnostics
import Testing

/// Elements rounded to a significand of so many bits, to nearest and to even, as storing them does.
private func rounded(_ matrix: Matrix, bits: Int) -> Matrix {
    var (result, dropped) = (matrix, UInt32(24 - bits))
    for i in 0..<matrix.rows {
        for j in 0..<matrix.columns where dropped > 0 {
            let pattern = matrix[i, j].bitPattern
            let half = (1 << (dropped - 1)) - 1 + ((pattern >> dropped) & 1)
            result[i, j] = Float(bitPattern: ((pattern + half) >> dropped) << dropped)
        }
    }
    return result
}

@Suite("Spectra of weights that were stored in fewer bits")
struct StoredPrecisionTests {
    static let formats: [(ElementPrecision, Int)] = [
        (.float32, 24), (.float16, 11), (.bfloat16, 8), (.float8e4m3, 4), (.float8e5m2, 3),
    ]

    @Test("a matrix of rank six has no condition, tail or bulk in any of them, and says what it was stored in", arguments: formats)
    func lowRank(format: ElementPrecision, bits: Int) {
        let exact = Oracle.product(Oracle.gaussian(256, 6, seed: 1), Oracle.gaussian(6, 128, seed: 2))
        let spectra = WeightSpectra(of: [rounded(exact, bits: bits)], precision: format, control: CounterRNG(seed: 0, purpose: "c"))
        #expect(spectra.spectrum.conditionNumber.reason?.contains("rounding the elements to \(format.name)") == true)
        #expect(spectra.spectrum.smallestSingularValue.reason != nil)
        let tail = spectra.tail.alpha
        #expect(tail.reason == "6 eigenvalues above rounding to \(format.name) are too few for a tail; 50 are needed", "\(tail)")
        #expect(spectra.bulk.spikes.reason?.contains("rounding the elements to \(format.name)") == true, "\(spectra.bulk.spikes)")
        #expect(spectra.bulk.softRank.reason != nil)
    }

    @Test("noise of full rank keeps its tail and its bulk", arguments: formats)
    func fullRank(format: ElementPrecision, bits: Int) {
        let matrix = Oracle.gaussian(256, 128, seed: 3)
        let (exact, stored) = (
            WeightSpectra(of: [matrix], control: nil),
            WeightSpectra(of: [rounded(matrix, bits: bits)], precision: format, control: nil)
        )
        #expect(stored.tail.alpha.number != nil && stored.bulk.spikes.number == 0)
        let (a, b) = (exact.bulk.noiseDeviation.number!, stored.bulk.noiseDeviation.number!)
        #expect(abs(a - b) < 0.02 * a)
        // Errors of u in each element move σ_min by up to u·‖W‖_F, of 181: more than itself in eight bits.
        #expect((stored.spectrum.conditionNumber.number == nil) == (bits < 8), "\(stored.spectrum.conditionNumber)")
    }

    @Test("a kernel's matrices, alike")
    func kernel() {
        let slices = (0..<9 as Range<UInt64>).map { place in
            rounded(Oracle.product(Oracle.gaussian(40, 2, seed: place), Oracle.gaussian(2, 30, seed: 20 + place)), bits: 8)
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
