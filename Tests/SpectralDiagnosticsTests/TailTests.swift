import Foundation
import LinearAlgebra
import SpectralDiagnostics
import Testing

/// Singular values of a matrix of independent standard normal elements.
func gaussianSpectrum(_ rows: Int, _ columns: Int, seed: UInt64) throws -> [Double] {
    var matrix = Matrix(rows: rows, columns: columns)
    do {
        var elements = matrix.mutableSpan
        CounterRNG(seed: seed, purpose: "tail test").fillNormal(&elements, standardDeviation: 1)
    }
    return try LAPACK.singularValues(matrix.view).map(Double.init)
}

@Suite("D5: the power law of the tail")
struct PowerLawTailTests {
    /// The definition: every eigenvalue as x_min, every distance in full.
    private static func naive(_ eigenvalues: [Double]) -> (alpha: Double, start: Double, distance: Double, count: Int) {
        var best = (alpha: 0.0, start: 0.0, distance: Double.infinity, count: 0)
        for index in 0..<eigenvalues.count - 1 {
            let tail = eigenvalues[index...]
            let (n, start) = (Double(tail.count), eigenvalues[index])
            let alpha = 1 + n / tail.reduce(0) { $0 + log($1 / start) }
            var distance = 0.0
            for (rank, value) in tail.enumerated() {
                distance = max(distance, abs(1 - pow(value / start, 1 - alpha) - Double(rank) / n))
            }
            if distance < best.distance { best = (alpha, start, distance, tail.count) }
        }
        return best
    }

    /// λ at evenly spaced probabilities of the law with α from 1 on, as singular values.
    private static func pareto(_ alpha: Double, count: Int, scale: Double = 1) -> [Double] {
        (0..<count).map { (scale * pow(1 - (Double($0) + 0.5) / Double(count), 1 / (1 - alpha))).squareRoot() }
    }

    @Test("finds α of evenly spaced quantiles, whatever the scale", arguments: [1.5, 2, 3, 5], [1e-3, 1, 1e4])
    func quantiles(alpha: Double, scale: Double) {
        let fit = PowerLawTail(singularValues: Self.pareto(alpha, count: 400, scale: scale), rows: 400, columns: 400)
        // The mean of ln over midpoints of 400 intervals misses that of the law by ln 2/(2·400) of it; x_min may move.
        #expect(abs(fit.alpha.number! - alpha) < 0.02 * alpha && fit.alpha.uncertainty! < 0.1 * alpha)
        #expect(fit.distance.number! < 0.01)
    }

    @Test("equals the naive scan on noise", arguments: [(64, 64), (128, 96), (300, 60), (260, 260)])
    func naiveScan(rows: Int, columns: Int) throws {
        let values = try gaussianSpectrum(rows, columns, seed: 3)
        let fit = PowerLawTail(singularValues: values, rows: rows, columns: columns)
        let expected = Self.naive(values.map { $0 * $0 }.sorted())
        #expect(abs(fit.alpha.number! - expected.alpha) < 1e-9 * expected.alpha)
        #expect(abs(fit.tailStart.number! - expected.start) < 1e-12 * expected.start)
        #expect(fit.tailCount.number == Double(expected.count))
        #expect(abs(fit.distance.number! - expected.distance) < 1e-9)
        let eigenvalues = values.map { $0 * $0 }
        #expect(abs(fit.alphaWeighted.number! - expected.alpha * log10(eigenvalues.max()!)) < 1e-8)
        #expect(abs(fit.logAlphaNorm.number! - log10(eigenvalues.reduce(0) { $0 + pow($1, expected.alpha) })) < 1e-8)
    }

    @Test("equals weightwatcher's fit under its conventions")
    func weightwatcher() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Oracles/golden/tails.txt")
        var shape: [Int] = []
        var fit: PowerLawTail?
        var compared = 0
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            switch words[0] {
            case "case": shape = words.suffix(2).compactMap { Int($0) }
            case "singularValues":
                fit = PowerLawTail(
                    singularValues: words.dropFirst().compactMap { Double($0) }, rows: shape[0], columns: shape[1],
                    convention: .weightwatcher)
            default:
                let expected = try #require(Double(words[1]))
                // For fewer than eight eigenvalues it prints the error of a fit that it did not make: −1/√n.
                if words[0] == "sigma" && expected < 0 { continue }
                let found = try #require(fit?.weightwatcherFigure(words[0]), "\(shape) \(line)")
                #expect(abs(found - expected) <= 1e-8 * max(1, abs(expected)), "\(shape) \(line)")
                compared += 1
            }
        }
        #expect(compared == 69)
    }

    @Test("a spectrum without a tail says why")
    func reasons() throws {
        func reason(_ values: [Double], _ size: Int) -> String? {
            PowerLawTail(singularValues: values, rows: size, columns: size).alpha.reason
        }
        #expect(reason([], 0) == "there are no singular values")
        #expect(reason([1, .nan], 2) == "a singular value is not finite")
        #expect(reason([0, 0], 2) == "all singular values are zero")
        #expect(reason([3, 2, 1], 3) == "3 eigenvalues above rounding to float32 are too few for a tail; 50 are needed")
        #expect(reason([1] + Array(repeating: 1e-9, count: 99), 100)!.hasPrefix("1 eigenvalue above rounding"))
        #expect(reason(Array(repeating: 2, count: 64), 64)!.contains("a multiple of an isometry"))
    }
}

extension PowerLawTail {
    fileprivate func weightwatcherFigure(_ name: String) -> Double? {
        switch name {
        case "alpha": alpha.number
        case "xmin": tailStart.number
        case "D": distance.number
        case "sigma": alpha.uncertainty
        case "num_pl_spikes": tailCount.number
        case "alpha_weighted": alphaWeighted.number
        case "log_alpha_norm": logAlphaNorm.number
        default: nil
        }
    }
}

@Suite("D6: the bulk of noise")
struct NoiseBulkTests {
    @Test("the law: its median for N = 2M, its mean, and its distribution at the ends")
    func law() {
        // By SciPy's quad and brentq.
        #expect(abs(MarchenkoPastur(rows: 200, columns: 100).median - 0.8304658815832408) < 1e-9)
        for (rows, columns) in [(1, 1), (7, 7), (100, 90), (1000, 10)] {
            let law = MarchenkoPastur(rows: rows, columns: columns)
            #expect(law == MarchenkoPastur(rows: columns, columns: rows))
            #expect(law.distribution(law.lowerEdge) == 0 && law.distribution(law.upperEdge) == 1)
            #expect(abs(law.distribution(law.upperEdge - 1e-14) - 1) < 1e-9)
            #expect(abs(law.distribution(law.median) - 0.5) < 1e-9)
        }
    }

    @Test("the square law is that of the quarter circle")
    func quarterCircle() {
        let law = MarchenkoPastur(rows: 10, columns: 10)
        for x in [0.1, 0.5, 1, 2, 3.9] {
            // √λ has the density √(4 − s²)/π on [0, 2].
            let s = x.squareRoot()
            let expected = (s * (4 - s * s).squareRoot() / 2 + 2 * asin(s / 2)) / Double.pi
            #expect(abs(law.distribution(x) - expected) < 1e-9)
        }
    }

    @Test("noise: its deviation, its edge, and hardly ever a spike")
    func noise() throws {
        var spikes = 0.0
        for seed in 0..<60 {
            let bulk = NoiseBulk(singularValues: try gaussianSpectrum(120, 60, seed: UInt64(seed)), rows: 120, columns: 60)
            spikes += bulk.spikes.number!
            #expect(abs(bulk.noiseDeviation.number! - 1) < 0.1)
            #expect(abs(bulk.softRank.number! - 1) < 0.2)
        }
        // 1 % of 60 draws; five would have a chance below 4e-4.
        #expect(spikes < 5)
    }

    @Test("planted directions are spikes, each of them", arguments: [1, 3, 10])
    func planted(count: Int) throws {
        var matrix = Matrix(rows: 200, columns: 100)
        do {
            var elements = matrix.mutableSpan
            CounterRNG(seed: 9, purpose: "planted").fillNormal(&elements, standardDeviation: 1)
        }
        // Far above the transition at (N·M)^¼ = 11.9.
        for spike in 0..<count { matrix[spike, spike] += 40 + Float(spike) }
        let values = try LAPACK.singularValues(matrix.view).map(Double.init)
        let bulk = NoiseBulk(singularValues: values, rows: 200, columns: 100)
        #expect(bulk.spikes.number == Double(count) && bulk.softRank.number! < 0.4)
    }

    @Test("what has no bulk says why")
    func reasons() {
        func reason(_ values: [Double]) -> String? {
            NoiseBulk(singularValues: values, rows: values.count, columns: values.count).spikes.reason
        }
        #expect(reason([1, 2])!.hasPrefix("2 eigenvalues are too few"))
        #expect(reason(Array(repeating: 0, count: 30)) == "all singular values are zero")
        #expect(reason(Array(repeating: 1, count: 30)) == "all singular values are equal: there is no bulk")
        #expect(reason([.infinity] + Array(repeating: 1, count: 30)) == "a singular value is not finite")
        #expect(reason([1] + Array(repeating: 0, count: 30))!.hasPrefix("half of the singular values are zero or made by rounding"))
    }
}
