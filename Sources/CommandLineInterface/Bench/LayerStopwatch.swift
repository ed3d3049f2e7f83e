import LinearAlgebra
import StructuredLayers

/// One layer that is timed again and again on one thread: derived values, then forward and backward of a batch.
struct LayerStopwatch {
    /// Seconds of the thread's processor time, of one derivation and of one forward and backward.
    struct Lap: Sendable {
        var derivation: Double
        var pass: Double
        var total: Double { derivation + pass }
    }

    private(set) var layer: StandaloneLayer
    private let x: Matrix
    private var gradient: Matrix
    /// So many in a lap that it is long beside the clock's grain.
    private var repetitions = 1

    /// - Throws: `SpecificationError` when there is no such layer.
    init(_ path: PathSpecification, width: Int, batch: Int, families: LayerFamilies) throws(SpecificationError) {
        layer = try StandaloneLayer(width: width, batch: batch, path: path, families: families)
        func normal(_ purpose: String) -> Matrix {
            var matrix = Matrix(rows: width, columns: batch)
            var span = matrix.mutableSpan
            CounterRNG(seed: 1, purpose: "bench-\(purpose)").fillNormal(&span, standardDeviation: 1)
            return matrix
        }
        (x, gradient) = (normal("x"), normal("gradient"))
        moveOn()
        // Three laps to warm up; the last says how long one takes.
        for _ in 0..<2 { _ = lap() }
        repetitions = max(1, min(1000, Int(0.002 / lap().total)))
    }

    /// A little way from the beginning, where a family may be the identity and its factors zero.
    private mutating func moveOn() {
        let generator = CounterRNG(seed: 1, purpose: "bench-parameters")
        let blocks = layer.blocks.filter { $0.role == .parameter }
        var all = layer.parameters.mutableSpan
        for index in blocks.flatMap(\.range) { all[index] += Float(0.01 * generator.normal(UInt64(index))) }
    }

    mutating func lap() -> Lap {
        var lap = Lap(derivation: 0, pass: 0)
        for _ in 0..<repetitions {
            let start = ThreadClock.seconds()
            layer.derive()
            let derived = ThreadClock.seconds()
            layer.forward(x)
            layer.backward(x, gradient: &gradient)
            lap.derivation += derived - start
            lap.pass += ThreadClock.seconds() - derived
        }
        return Lap(derivation: lap.derivation / Double(repetitions), pass: lap.pass / Double(repetitions))
    }
}

/// The median of several measurements, with the least and the most.
struct Spread: Encodable, Sendable {
    var median: Double
    var least: Double
    var most: Double

    init(_ values: [Double]) {
        let sorted = values.sorted()
        (median, least, most) = (sorted[sorted.count / 2], sorted[0], sorted[sorted.count - 1])
    }
}
