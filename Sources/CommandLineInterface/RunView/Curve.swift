/// One quantity over the steps of a run.
struct Curve: Encodable {
    var diagnostic: String
    var quantity: String
    var steps: [Int64] = []
    /// One for each step; nil for n/a.
    var values: [Double?] = []
    /// Of the last value.
    var uncertainty: Double?
    /// Why the last value is n/a.
    var reason: String?

    var name: QuantityName { QuantityName(diagnostic: diagnostic, quantity: quantity) }
    var numbers: [Double] { values.compactMap { $0 } }

    init(_ diagnostic: String, _ quantity: String) { (self.diagnostic, self.quantity) = (diagnostic, quantity) }

    mutating func append(_ value: Double?, at step: Int64, uncertainty: Double? = nil, reason: String? = nil) {
        steps.append(step)
        values.append(value)
        (self.uncertainty, self.reason) = (uncertainty, reason)
    }
}

/// One quantity over the layers at the step that was measured last, and its median over the steps.
struct LayeredCurve: Encodable {
    var diagnostic: String
    var quantity: String
    /// The step of the look over depth.
    var step: Int64
    /// 0 the embedding, 1…L, L + 1 the readout; ascending.
    var layers: [Int]
    /// One for each of `layers`; nil for n/a.
    var values: [Double?]
    /// Why a layer's value is n/a, by layer.
    var reasons: [Int: String]
    /// The half width of a layer's value, by layer, where it has one.
    var uncertainties: [Int: Double]
    /// Over all layers that have a value at the step.
    var medians: Curve

    var name: QuantityName { QuantityName(diagnostic: diagnostic, quantity: quantity) }
    var numbers: [Double] { values.compactMap { $0 } }

    struct Measurement {
        var step: Int64
        var layer: Int
        var value: Double?
        var uncertainty: Double?
        var reason: String?
    }

    /// From measurements by step and layer; nil when there are none. O(their count · log layers).
    init?(_ diagnostic: String, _ quantity: String, _ measurements: [Measurement]) {
        guard let last = measurements.last?.step else { return nil }
        let latest = measurements.filter { $0.step == last }
        (self.diagnostic, self.quantity, step) = (diagnostic, quantity, last)
        layers = latest.map(\.layer)
        values = latest.map(\.value)
        reasons = Dictionary(latest.compactMap { row in row.reason.map { (row.layer, $0) } }) { first, _ in first }
        uncertainties = Dictionary(latest.compactMap { row in row.uncertainty.map { (row.layer, $0) } }) { first, _ in first }
        medians = Curve(diagnostic, quantity)
        var rest = measurements[...]
        while let step = rest.first?.step {
            let end = rest.firstIndex { $0.step != step } ?? rest.endIndex
            medians.append(Self.median(rest[..<end].compactMap(\.value)), at: step, reason: rest.first?.reason)
            rest = rest[end...]
        }
    }

    private static func median(_ values: [Double]) -> Double? {
        if values.isEmpty { return nil }
        let (sorted, middle) = (values.sorted(), values.count / 2)
        return values.count.isMultiple(of: 2) ? sorted[middle - 1] / 2 + sorted[middle] / 2 : sorted[middle]
    }
}
