import Foundation
import LinearAlgebra
import SpectralDiagnostics
import Testing

@Suite("D1, D3, D4, D7: the spectrum of a matrix")
struct SpectrumTests {
    static func examine(_ rows: Int, _ columns: Int, _ elements: [Float]) -> MatrixSpectrum {
        let matrix = Matrix(rows: rows, columns: columns, elements: elements)
        return MatrixSpectrum(of: matrix.view)
    }

    @Test("the identity: n, n, 1, 0")
    func identity() {
        let spectrum = Self.examine(4, 4, (0..<16).map { $0 % 5 == 0 ? 1 : 0 })
        #expect(spectrum.singularValues == [1, 1, 1, 1])
        #expect(spectrum.stableRank.number == 4 && abs(spectrum.effectiveRank.number! - 4) < 1e-6)
        #expect(spectrum.conditionNumber.number == 1 && spectrum.orthogonalityError.number == 0)
    }

    @Test("a diagonal: closed forms")
    func diagonal() {
        let spectrum = Self.examine(3, 3, [3, 0, 0, 0, -2, 0, 0, 0, 1])
        for (value, expected) in zip(spectrum.singularValues, [3, 2, 1] as [Double]) { #expect(abs(value - expected) < 1e-6) }
        #expect(abs(spectrum.stableRank.number! - 14.0 / 9) < 1e-6 && abs(spectrum.conditionNumber.number! - 3) < 1e-5)
        let p = [0.5, 1.0 / 3, 1.0 / 6]
        #expect(abs(spectrum.effectiveRank.number! - exp(-p.reduce(0) { $0 + $1 * log($1) })) < 1e-6)
        #expect(abs(spectrum.orthogonalityError.number! - ((64.0 + 9) / 3).squareRoot()) < 1e-6)
    }

    @Test("rank one: stable and effective rank 1, and no condition number")
    func rankOne() {
        let spectrum = Self.examine(3, 4, [1, 2, 3, 4, 2, 4, 6, 8, 3, 6, 9, 12])
        #expect(abs(spectrum.stableRank.number! - 1) < 1e-6 && abs(spectrum.effectiveRank.number! - 1) < 1e-3)
        #expect(spectrum.conditionNumber.reason!.contains("rank deficient"))
    }

    @Test("what has no spectrum says why", arguments: [[Float.nan, 1], [.infinity, 0]])
    func notFinite(elements: [Float]) {
        let spectrum = Self.examine(1, 2, elements)
        #expect(spectrum.spectralNorm.reason == "the matrix holds NaN or infinity" && spectrum.singularValues.isEmpty)
    }

    @Test("empty, zero, 1 × 1 and 1 × n")
    func small() {
        #expect(Self.examine(0, 3, []).stableRank.reason == "the matrix is empty")
        let zero = Self.examine(2, 2, [0, 0, 0, 0])
        #expect(zero.spectralNorm.number == 0 && zero.stableRank.reason == "all elements are zero")
        #expect(Self.examine(1, 1, [-2]).spectralNorm.number == 2)
        #expect(abs(Self.examine(1, 2, [3, 4]).spectralNorm.number! - 5) < 1e-5)
    }
}

@Suite("D12: the depth slope")
struct DepthSlopeTests {
    @Test("finds a planted slope exactly")
    func planted() {
        let fit = DepthSlope(norms: (0..<20).map { pow(10, 0.3 - 0.05 * Double($0)) })
        #expect(abs(fit.slope.number! + 0.05) < 1e-12 && abs(fit.rSquared.number! - 1) < 1e-9)
    }

    @Test("its 95 % interval holds the truth about 95 times in 100")
    func coverage() {
        let generator = CounterRNG(seed: 1, purpose: "slope")
        var held = 0
        for trial in 0..<1000 {
            let norms = (0..<10).map { pow(10, 0.02 * Double($0) + 0.1 * generator.normal(UInt64(trial * 10 + $0))) }
            let fit = DepthSlope(norms: norms)
            if abs(fit.slope.number! - 0.02) <= fit.slope.uncertainty! { held += 1 }
        }
        // Three standard errors of a binomial of 1,000 trials at 0.95 are 21.
        #expect(abs(held - 950) <= 21)
    }

    @Test("says why there is none")
    func none() {
        #expect(DepthSlope(norms: [1, 2]).slope.reason == "a slope needs three layers")
        #expect(DepthSlope(norms: [1, 0, 2]).slope.reason!.contains("layer 1"))
        #expect(DepthSlope(norms: [1, .nan, 2]).slope.reason!.contains("layer 1"))
        #expect(DepthSlope(norms: [1, .nan, 2], firstLayer: 1).slope.reason!.contains("layer 2"))
        #expect(DepthSlope(norms: [2, 2, 2]).rSquared.reason == "all norms are equal")
    }
}

@Suite("D19 and D20: gradient noise and agreement")
struct GradientNoiseTests {
    @Test("without bias over 2,000 trials")
    func unbiased() {
        let (k, b, d, trials) = (4, 8, 10, 2000)
        let generator = CounterRNG(seed: 7, purpose: "noise")
        var (noises, signals) = ([Double](), [Double]())
        for trial in 0..<trials {
            var (total, summed) = (Array(repeating: 0.0, count: d), 0.0)
            for microbatch in 0..<k {
                // Σ over b examples of (1 + standard normal): a normal of mean b and deviation √b.
                let g = (0..<d).map {
                    Double(b) + Double(b).squareRoot() * generator.normal(UInt64(((trial * k) + microbatch) * d + $0))
                }
                summed += g.reduce(0) { $0 + $1 * $1 }
                for i in 0..<d { total[i] += g[i] }
            }
            let noise = GradientNoise(
                microbatches: k, examples: b, summedSquares: summed, squareOfSum: total.reduce(0) { $0 + $1 * $1 })
            noises.append(noise.noise.number!)
            signals.append(noise.signal.number!)
        }
        for (values, truth) in [(noises, Double(d)), (signals, Double(d))] {
            let mean = values.reduce(0, +) / Double(trials)
            let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(trials - 1)).squareRoot()
            #expect(abs(mean - truth) < 3 * deviation / Double(trials).squareRoot())
        }
    }

    @Test("identical gradients agree, opposite ones do not, one microbatch says nothing")
    func agreement() {
        let same = GradientNoise(microbatches: 3, examples: 2, summedSquares: 3 * 5, squareOfSum: 9 * 5)
        #expect(abs(same.agreement.number! - 1) < 1e-12 && abs(same.noise.number!) < 1e-12)
        let opposite = GradientNoise(microbatches: 2, examples: 2, summedSquares: 10, squareOfSum: 0)
        #expect(opposite.agreement.number == -1 && opposite.scale.reason != nil)
        #expect(
            GradientNoise(microbatches: 1, examples: 2, summedSquares: 1, squareOfSum: 1).agreement.reason!.contains("partitions"))
    }
}
