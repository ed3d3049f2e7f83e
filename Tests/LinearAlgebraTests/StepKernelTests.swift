import LinearAlgebra
import Testing

/// Steps from one memory to another, against the same steps in place.
@Suite("Steps from version to version")
struct StepKernelTests {
    static func noise(_ count: Int, _ purpose: String) -> FloatMemory {
        let memory = FloatMemory(count: count)
        var span = memory.mutableSpan
        CounterRNG(seed: 7, purpose: purpose).fillNormal(&span, standardDeviation: 1)
        return memory
    }

    static func sameBits(_ a: FloatMemory, _ b: FloatMemory) -> Bool {
        (0..<a.count).allSatisfy { a.span[$0].bitPattern == b.span[$0].bitPattern }
    }

    static func copy(_ source: FloatMemory) -> FloatMemory {
        let memory = FloatMemory(count: source.count)
        var span = memory.mutableSpan
        VectorKernels.copy(source.span, into: &span)
        return memory
    }

    /// Off the boundaries of lines and of lanes, and on them.
    static let places = [0..<0, 0..<1, 0..<16, 0..<64, 3..<67, 5..<6, 16..<48, 1..<1000, 17..<1024]

    @Test("with momentum are the steps in place, bit for bit, with one gradient and with two", arguments: places)
    func momentum(place: Range<Int>) {
        let (w, v, a, b) = (Self.noise(1024, "w"), Self.noise(1024, "v"), Self.noise(1024, "a"), Self.noise(1024, "b"))
        for isSum in [false, true] {
            let (inPlace, velocity, next, otherVelocity) = (Self.copy(w), Self.copy(v), Self.copy(w), Self.copy(v))
            let gradient = Self.copy(a)
            if isSum {
                var sum = gradient.mutableSpan
                VectorKernels.add(b.span, into: &sum)
            }
            do {
                var parameters = inPlace.mutableFloats(place)
                var moment = velocity.mutableFloats(place)
                VectorKernels.momentumStep(
                    parameters: &parameters, velocity: &moment, gradient: gradient.floats(place), learningRate: 0.1, momentum: 0.9,
                    gradientScale: 1 / 3, weightDecay: 0.01)
            }
            let (first, second) = (a.borrowed(place), b.borrowed(place))
            var to = next.mutableFloats(place)
            var moment = otherVelocity.mutableFloats(place)
            VectorKernels.momentumStep(
                from: w.floats(place), to: &to, velocity: &moment, gradient: first.bytes(0..<place.count),
                plus: second.bytes(isSum ? 0..<place.count : 0..<0), learningRate: 0.1, momentum: 0.9, gradientScale: 1 / 3,
                weightDecay: 0.01)
            StreamingStores.finish()
            #expect(Self.sameBits(next, inPlace) && Self.sameBits(otherVelocity, velocity))
        }
    }

    @Test("of Adam are the steps in place, bit for bit, with one gradient and with two", arguments: places)
    func adam(place: Range<Int>) {
        let (w, a, b) = (Self.noise(1024, "w"), Self.noise(1024, "a"), Self.noise(1024, "b"))
        let m = Self.noise(1024, "m")
        let v = FloatMemory(count: 1024)
        do {
            var squares = v.mutableSpan
            VectorKernels.copy(m.span, into: &squares)
            VectorKernels.multiply(&squares, by: m.span)
        }
        for isSum in [false, true] {
            let (inPlace, first, second) = (Self.copy(w), Self.copy(m), Self.copy(v))
            let (next, otherFirst, otherSecond) = (Self.copy(w), Self.copy(m), Self.copy(v))
            let gradient = FloatMemory(count: 1024)
            do {
                let (one, other) = (a.borrowed(0..<1024), b.borrowed(0..<1024))
                var sum = gradient.mutableSpan
                VectorKernels.sum(one.bytes(0..<1024), other.bytes(isSum ? 0..<1024 : 0..<0), into: &sum)
            }
            do {
                var parameters = inPlace.mutableFloats(place)
                var m1 = first.mutableFloats(place)
                var m2 = second.mutableFloats(place)
                VectorKernels.adamStep(
                    parameters: &parameters, firstMoment: &m1, secondMoment: &m2, gradient: gradient.floats(place),
                    learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, firstCorrection: 0.1, secondCorrection: 0.01,
                    gradientScale: 1 / 3, coupledDecay: 0.01, decoupledDecay: 0.02)
            }
            let (one, other) = (a.borrowed(place), b.borrowed(place))
            var to = next.mutableFloats(place)
            var m1 = otherFirst.mutableFloats(place)
            var m2 = otherSecond.mutableFloats(place)
            VectorKernels.adamStep(
                from: w.floats(place), to: &to, firstMoment: &m1, secondMoment: &m2, gradient: one.bytes(0..<place.count),
                plus: other.bytes(isSum ? 0..<place.count : 0..<0), learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8,
                firstCorrection: 0.1, secondCorrection: 0.01, gradientScale: 1 / 3, coupledDecay: 0.01, decoupledDecay: 0.02)
            StreamingStores.finish()
            #expect(Self.sameBits(next, inPlace) && Self.sameBits(otherFirst, first) && Self.sameBits(otherSecond, second))
        }
    }

    @Test("streamed elements are those that were given, at any place", arguments: places)
    func stream(place: Range<Int>) {
        let (source, target) = (Self.noise(1024, "source"), FloatMemory(count: 1100))
        target.stream(source.floats(place), at: 7)
        StreamingStores.finish()
        for index in 0..<1100 {
            let inside = index - 7
            let expected = (0..<place.count).contains(inside) ? source.span[place.lowerBound + inside] : 0
            #expect(target.span[index] == expected)
        }
    }

    @Test("written as usual are those written past the caches, bit for bit", arguments: places)
    func near(place: Range<Int>) {
        let (w, a, b) = (Self.noise(1024, "w"), Self.noise(1024, "a"), Self.noise(1024, "b"))
        var results: [[FloatMemory]] = []
        for pastCaches in [true, false] {
            let (m, v, momentum, adam) = (Self.noise(1024, "m"), Self.copy(a), Self.copy(w), Self.copy(w))
            let (first, second) = (a.borrowed(place), b.borrowed(place))
            let velocity = Self.noise(1024, "v")
            do {
                var to = momentum.mutableFloats(place)
                var moment = velocity.mutableFloats(place)
                VectorKernels.momentumStep(
                    from: w.floats(place), to: &to, velocity: &moment, gradient: first.bytes(0..<place.count),
                    plus: second.bytes(0..<place.count), learningRate: 0.1, momentum: 0.9, gradientScale: 1 / 3, weightDecay: 0.01,
                    pastCaches: pastCaches)
            }
            do {
                var squares = v.mutableSpan
                VectorKernels.multiply(&squares, by: a.span)
            }
            var to = adam.mutableFloats(place)
            var firstMoment = m.mutableFloats(place)
            var secondMoment = v.mutableFloats(place)
            VectorKernels.adamStep(
                from: w.floats(place), to: &to, firstMoment: &firstMoment, secondMoment: &secondMoment,
                gradient: first.bytes(0..<place.count), plus: second.bytes(0..<place.count), learningRate: 0.1, beta1: 0.9,
                beta2: 0.99, epsilon: 1e-8, firstCorrection: 0.5, secondCorrection: 0.25, gradientScale: 1 / 3, coupledDecay: 0.01,
                decoupledDecay: 0.02, pastCaches: pastCaches)
            StreamingStores.finish()
            results.append([momentum, velocity, adam, m, v])
        }
        for (near, far) in zip(results[0], results[1]) { #expect(Self.sameBits(near, far)) }
    }
}
