import Foundation
import Testing

@testable import LinearAlgebra

@Suite("Random numbers by number")
struct RandomTests {
    /// The known-answer vectors of the Random123 distribution for philox4x32-10.
    @Test("Philox gives the published vectors")
    func vectors() {
        let all: UInt32 = 0xFFFF_FFFF
        #expect(CounterRNG.philox(counter: (0, 0, 0, 0), key: (0, 0)) == (0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
        #expect(
            CounterRNG.philox(counter: (all, all, all, all), key: (all, all)) == (
                0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD
            ))
        #expect(
            CounterRNG.philox(counter: (0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344), key: (0xA409_3822, 0x299F_31D0)) == (
                0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1
            ))
    }

    @Test("many at a time are the same as one by one, wherever they begin", arguments: [0, 1, 31, 32, 33, 256])
    func manyBits(count: Int) {
        let generator = CounterRNG(seed: 0x1234_5678_9ABC_DEF0, purpose: "many", index: 7)
        for block: UInt64 in [0, 5, 0xFFFF_FFF8, 1 << 40] {
            var numbers = Array(repeating: UInt64(0), count: count)
            do {
                var room = numbers.mutableSpan
                generator.fillBits(&room, fromBlock: block)
            }
            #expect(numbers == (0..<UInt64(count)).map { generator.bits(2 * block + $0) })
        }
    }

    @Test(
        "shuffling is Fisher and Yates's: elements exchanged from the last on, each with one at or before it",
        arguments: [0, 1, 2, 300, 1000])
    func shuffle(count: Int) {
        let generator = CounterRNG(seed: 9, purpose: "shuffle")
        var expected = (0..<count).map { Float($0) }
        var found = expected
        do {
            var room = found.mutableSpan
            generator.shuffle(&room)
        }
        // A draw is refused once in 2⁵⁴: number i decides exchange i.
        for last in stride(from: count - 1, to: 0, by: -1) {
            expected.swapAt(last, Int(generator.bits(UInt64(count - 1 - last)).multipliedFullWidth(by: UInt64(last + 1)).high))
        }
        #expect(found == expected)
    }

    @Test("normals have the moments and the distribution of normals")
    func normals() {
        let count = 20_000
        let generator = CounterRNG(seed: 5, purpose: "moments")
        let values = (0..<count).map { generator.normal(UInt64($0)) }.sorted()
        let mean = values.reduce(0, +) / Double(count)
        let variance = values.reduce(0) { $0 + $1 * $1 } / Double(count)
        #expect(abs(mean) < 4 / Double(count).squareRoot())
        #expect(abs(variance - 1) < 4 * (2 / Double(count)).squareRoot())
        let distance = values.enumerated().map {
            abs(0.5 * erfc(-$0.element / 2.0.squareRoot()) - Double($0.offset) / Double(count))
        }.max()!
        #expect(distance < 1.63 / Double(count).squareRoot(), "Kolmogorov and Smirnov at 1 %")
    }

    @Test("the quantile inverts the distribution function far into the tails")
    func quantile() {
        for p in [1e-300, 1e-30, 1e-9, 0.01, 0.3, 0.5, 0.7, 0.999] {
            let x = NormalQuantile.value(p)
            #expect(abs(0.5 * erfc(-x / 2.0.squareRoot()) / p - 1) < 1e-10)
        }
    }

    @Test("a permutation is one, differs by seed, and is the same twice")
    func permutation() {
        let one = CounterRNG(seed: 1, purpose: "p").permutation(count: 1000)
        #expect(one.sorted() == (0..<1000).map { Int32($0) })
        #expect(one == CounterRNG(seed: 1, purpose: "p").permutation(count: 1000))
        #expect(one != CounterRNG(seed: 2, purpose: "p").permutation(count: 1000))
        #expect(CounterRNG(seed: 1, purpose: "p").permutation(count: 0).isEmpty)
    }

    @Test("log, exp, cos and sin agree with libm to a few ulp")
    func scalars() {
        for step in 1..<2000 {
            let x = Double(step) * 0.37 - 300
            #expect(abs(ScalarMath.exp(x) / exp(x) - 1) < 4e-15)
            let y = pow(1.7, Double(step % 1200) - 600)
            #expect(abs(ScalarMath.log(y) - log(y)) <= 4e-16 * max(1, abs(log(y))))
            let (cosine, sine) = ScalarMath.cosineAndSine(turns: x / 50)
            #expect(abs(cosine - cos(2 * .pi * x / 50)) < 2e-14 && abs(sine - sin(2 * .pi * x / 50)) < 2e-14)
        }
        #expect(ScalarMath.log(0) == -.infinity && ScalarMath.log(-1).isNaN && ScalarMath.exp(1000) == .infinity)
    }
}
