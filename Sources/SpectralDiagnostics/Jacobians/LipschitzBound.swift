import LinearAlgebra
import StructuredLayers

/// D11's upper end: the product of the maps' certificates, as a logarithm that no depth overflows.
struct LipschitzBound: Sendable {
    /// ln of the bound from inputs to outputs; or why there is none.
    let whole: Measured
    /// ln of the bound from x₀ to x_L.
    let layers: Measured

    init(_ version: FrozenNetwork) {
        guard let bounds = try? version.lipschitzBounds(), bounds.allSatisfy({ $0.isFinite }) else {
            let reason = Measured.unavailable("the parameters are not finite: nothing is certified")
            (whole, layers) = (reason, reason)
            return
        }
        let logarithms = bounds.map { ScalarMath.log($0) }
        func sum(_ part: ArraySlice<Double>) -> Measured {
            let total = part.reduce(0, +)
            return total.isFinite ? .value(total) : .unavailable("a map is zero")
        }
        (whole, layers) = (sum(logarithms[...]), sum(logarithms.dropFirst().dropLast()))
    }
}

extension LipschitzBound {
    /// About how many operations the certificates take: those of dense maps, as structured ones take fewer.
    static func operations(_ network: Network) -> Double {
        network.mapShapes.reduce(0) { sum, shape in
            let (m, n) = (Double(max(shape.rows, shape.columns)), Double(min(shape.rows, shape.columns)))
            return sum + n * n * (m + 2 * n)
        }
    }
}

extension Measured {
    /// The value of a function of the number, where there is one and it is finite.
    func mapped(_ transform: (Double) -> Double, orSay reason: String) -> Measured {
        guard let number else { return self }
        let value = transform(number)
        return value.isFinite ? .value(value) : .unavailable(reason)
    }

    /// A natural logarithm in decades.
    var decades: Measured { mapped({ $0 / ScalarMath.log(10) }, orSay: "it is zero") }
}
