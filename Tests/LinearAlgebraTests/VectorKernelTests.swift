import CVectorKernels
import Foundation
import LinearAlgebra
import Testing

@Suite("Vector kernels")
struct VectorKernelTests {
    static let sets = [plumb_baseline, plumb_haswell, plumb_skylake_avx512]

    static func random(_ count: Int, scale: Float = 1, purpose: String = "test") -> [Float] {
        var values = AlignedVector(count: count)
        var span = values.mutableSpan
        CounterRNG(seed: 3, purpose: purpose).fillNormal(&span, standardDeviation: scale)
        return (0..<count).map { values.span[$0] }
    }

    static func bits(_ values: [Float]) -> [UInt32] { values.map { $0.isNaN ? 0x7FC0_0000 : $0.bitPattern } }

    static let special: [Float] = [
        0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -.leastNormalMagnitude, .greatestFiniteMagnitude, 88, -104,
        9.1,
        -9.1,
        0.624_999, 0.625, 1e-20, -1e-20,
    ]

    /// Units in the last place between a float and the exact value.
    static func ulps(_ value: Float, _ exact: Double) -> Double {
        abs(Double(value) - exact) / Double(max(Float(abs(exact)).ulp, Float.leastNonzeroMagnitude))
    }

    @Test("tanh is within 2 ulp everywhere, odd, exact at the ends")
    func tanhError() {
        var worst = 0.0
        for start in stride(from: UInt32(0x3000_0000), to: 0x4140_0000, by: 4096 * 7) {
            var values = (0..<64).map { Float(bitPattern: start + UInt32($0)) }
            let inputs = values
            var span = values.mutableSpan
            VectorKernels.tanh(&span)
            for (x, y) in zip(inputs, values) { worst = max(worst, Self.ulps(y, Foundation.tanh(Double(x)))) }
        }
        #expect(worst <= 2)
        var ends: [Float] = [0, -0.0, .infinity, -.infinity, 40, -40, .nan]
        var span = ends.mutableSpan
        VectorKernels.tanh(&span)
        #expect(ends[0].sign == .plus && ends[1].sign == .minus)
        #expect(Array(ends[2..<6]) == [1, -1, 1, -1])
        #expect(ends[6].isNaN)
    }

    @Test("exp is within 2 ulp of every normal result, overflows to infinity, keeps NaN")
    func expError() {
        var worst = 0.0
        for step in 0..<40_000 {
            let x = Float(-87 + Double(step) * 175.5 / 40_000)
            var values = [x]
            var span = values.mutableSpan
            VectorKernels.exp(&span)
            worst = max(worst, Self.ulps(values[0], Foundation.exp(Double(x))))
        }
        #expect(worst <= 2)
        var ends: [Float] = [0, 100, -200, .infinity, -.infinity, .nan]
        var span = ends.mutableSpan
        VectorKernels.exp(&span)
        #expect(ends[0] == 1 && ends[1] == .infinity && ends[2] == 0 && ends[3] == .infinity && ends[4] == 0 && ends[5].isNaN)
    }

    @Test("relu lets NaN through, and its derivative too")
    func relu() {
        var z = Matrix(rows: 1, columns: 3, elements: [.nan, -1, 2])
        var view = z.mutableView
        VectorKernels.addBias([Float]().span, activation: .relu, to: &view)
        #expect(z[0, 0].isNaN && z[0, 1] == 0 && z[0, 2] == 2)
    }

    @Test("every instruction set gives the same bits", arguments: [1, 15, 16, 17, 31, 64, 1000])
    func instructionSets(count: Int) throws {
        let tables = Self.sets.compactMap { unsafe plumb_vector_kernels_for($0)?.pointee }
        let x = Self.random(count) + Self.special
        let y = Self.random(x.count, purpose: "other")
        var results: [[[UInt32]]] = []
        for table in tables {
            var (a, b, c, d, e) = (x, x, x, y, y)
            var (w, m, v) = (x, y.map { $0 * $0 }, y.map { $0 * $0 })
            unsafe table.tanh(&a, a.count)
            unsafe table.exp(&b, b.count)
            unsafe table.axpy(&c, 0.37, y, c.count)
            unsafe table.add_bias(&d, 1, d.count, [0.1], plumb_activation_tanh)
            unsafe table.multiply_by_derivative(&e, x, e.count, plumb_activation_relu)
            let adam = plumb_adam(
                learning_rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, first_correction: 0.1, second_correction: 0.001,
                gradient_scale: 0.5, coupled_decay: 0.01, decoupled_decay: 0.02)
            unsafe table.adam_step(&w, &m, &v, y, w.count, adam)
            var sums = [Float(0)]
            unsafe table.row_sums(&sums, y, 1, y.count, 0)
            let dot = unsafe table.dot(y, y, y.count), squares = unsafe table.sum_of_squares(y, y.count)
            let check = unsafe table.checksum(x, 4 * x.count)
            var numbers = Array(repeating: UInt64(0), count: count)
            unsafe table.philox(&numbers, count, 0xFFFF_FFF0, 3, 5)
            let halves = numbers.flatMap { [UInt32(truncatingIfNeeded: $0), UInt32(truncatingIfNeeded: $0 >> 32)] }
            #expect(dot == squares)
            results.append(
                [a, b, c, d, e, w, m, v, sums].map(Self.bits) + [[check, UInt32(truncatingIfNeeded: dot.bitPattern)], halves])
        }
        for result in results.dropFirst() { #expect(result == results[0]) }
    }

    @Test("the optimizers equal their definition, operation by operation")
    func optimizers() {
        let (gradient, start) = (Self.random(101), Self.random(101, purpose: "w"))
        var (w, v) = (start, Self.random(101, purpose: "v"))
        var (expectedW, expectedV) = (w, v)
        for i in w.indices {
            let g = gradient[i] * Float(0.25) + Float(0.01) * expectedW[i]
            expectedV[i] = Float(0.9) * expectedV[i] + g
            expectedW[i] = expectedW[i] - Float(0.1) * expectedV[i]
        }
        var ws = w.mutableSpan
        var vs = v.mutableSpan
        VectorKernels.momentumStep(
            parameters: &ws, velocity: &vs, gradient: gradient.span, learningRate: 0.1, momentum: 0.9, gradientScale: 0.25,
            weightDecay: 0.01)
        #expect(w == expectedW && v == expectedV)
        var (p, m, s) = (start, Self.random(101, purpose: "m"), gradient.map { $0 * $0 })
        var (ep, em, es) = (p, m, s)
        for i in p.indices {
            let g = gradient[i] * Float(0.25) + Float(0.01) * ep[i]
            em[i] = Float(0.9) * em[i] + (Float(1) - Float(0.9)) * g
            es[i] = Float(0.99) * es[i] + (Float(1) - Float(0.99)) * (g * g)
            let direction = (em[i] / Float(0.5)) / ((es[i] / Float(0.3)).squareRoot() + Float(1e-8)) + Float(0.2) * ep[i]
            ep[i] = ep[i] - Float(0.1) * direction
        }
        var ps = p.mutableSpan
        var ms = m.mutableSpan
        var ss = s.mutableSpan
        VectorKernels.adamStep(
            parameters: &ps, firstMoment: &ms, secondMoment: &ss, gradient: gradient.span, learningRate: 0.1, beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8, firstCorrection: 0.5, secondCorrection: 0.3, gradientScale: 0.25, coupledDecay: 0.01, decoupledDecay: 0.2
        )
        #expect(p == ep && m == em && s == es)
    }

    @Test("adds from bytes at any alignment", arguments: 0..<5)
    func unaligned(shift: Int) {
        let x = Self.random(37)
        let bytes =
            Array(repeating: UInt8(7), count: shift)
            + x.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) } }
        var y = Self.random(37, purpose: "y")
        let expected = zip(y, x).map { $0 + $1 }
        var span = y.mutableSpan
        VectorKernels.add(bytes: unsafe bytes.span.bytes.extracting(shift..<bytes.count), into: &span)
        #expect(y == expected)
    }

    @Test("the checksum sees every flipped bit, an exchange and a different length")
    func checksum() {
        var bytes = (0..<700).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        let original = unsafe VectorKernels.checksum(bytes.span.bytes)
        for index in stride(from: 0, to: 700, by: 3) {
            bytes[index] ^= 1 << UInt8(index % 8)
            #expect(unsafe VectorKernels.checksum(bytes.span.bytes) != original)
            bytes[index] ^= 1 << UInt8(index % 8)
        }
        bytes.swapAt(3, 200)
        #expect(unsafe VectorKernels.checksum(bytes.span.bytes) != original)
        bytes.swapAt(3, 200)
        #expect(unsafe VectorKernels.checksum((bytes + [0]).span.bytes) != original)
    }
}
