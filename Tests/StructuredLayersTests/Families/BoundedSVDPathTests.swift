import Foundation
import LinearAlgebra
import Testing

@testable import StructuredLayers

extension BoundedSVDPath: NaivePath {
    func naive(_ x: [Traced], _ blocks: [[Traced]]) -> [Traced] {
        let turned = Naive.reflect(Naive.mix(x, mixing), by: blocks[1], reversed: true)
        let (low, range) = (Traced(sigmaMin), Traced(sigmaMax - sigmaMin))
        let stretched = (0..<left.width).map { i in
            i < blocks[2].count ? (low + range / (1 + exp(-blocks[2][i]))) * turned[i] : 0
        }
        return Naive.reflect(stretched, by: blocks[0])
    }
}

@Suite("Bounded singular values")
struct BoundedSVDPathTests {
    static func path(_ options: [String: OptionValue], _ inputs: Int = 8, _ outputs: Int = 8, perturbation: Float = 0) throws
        -> PathUnderTest
    {
        try PathUnderTest(
            PathSpecification(family: "bounded-svd", options: options), inputs: inputs, outputs: outputs, perturbation: perturbation
        )
    }

    @Test("begins with all singular values 1 where the bounds allow it, else in their middle")
    func start() throws {
        for (options, value): ([String: OptionValue], Double) in [
            (["sigmaMin": 0.9, "sigmaMax": 3], 1), ([:], 1), (["sigmaMin": 2, "sigmaMax": 4], 3),
            (["sigmaMin": 0, "sigmaMax": 0.5], 0.25),
        ] {
            for sigma in try #require(Self.path(options).analyticSpectrum()) { #expect(abs(sigma - value) < 1e-6) }
        }
    }

    @Test("stays within its bounds however far the parameters run", arguments: [30, 100, 1e30] as [Float])
    func bounds(distance: Float) throws {
        var path = try Self.path(["reflectors": 3, "sigmaMin": 0.001, "sigmaMax": 2], 8, 6)
        let spectrum = path.places[2]
        path.set { all in for (i, index) in spectrum.enumerated() { all[index] = i % 2 == 0 ? distance : -distance } }
        let values = try #require(path.analyticSpectrum())
        #expect(values.allSatisfy { $0 >= Double(Float(0.001)) && $0 <= 2 * (1 + 2e-7) })
        let bounds = try path.certificate()
        #expect(bounds.lower > 0 && bounds.lower <= 0.001 && bounds.upper >= 2 && bounds.upper < 2.0001)
        let measured = try LAPACK.singularValues(path.materialised().view)
        #expect(Double(measured[0]) <= bounds.upper && Double(measured[5]) >= bounds.lower)
    }

    @Test("gives its spectrum the multiplier of a diagonal")
    func multipliers() throws {
        #expect(try Self.path([:], 64, 32).family.blocks.last?.learningRateMultiplier == 64)
    }

    @Test("refuses bounds that are none")
    func refusals() {
        func refusal(_ options: [String: OptionValue]) -> String {
            do {
                _ = try Self.path(options)
                return "accepted"
            } catch { return "\(error)" }
        }
        #expect(refusal(["sigmaMin": -1]) == "model.path.sigmaMin: got -1, expected a number from 0 to 1000")
        #expect(
            refusal(["sigmaMin": 0.5, "sigmaMax": 0.5])
                == "model.path.sigmaMax: got 0.5, expected a number above sigmaMin, 0.5, and up to 1000000")
        #expect(refusal(["reflectors": 9]) == "model.path.reflectors: got 9, expected 1…8, the width")
    }
}
