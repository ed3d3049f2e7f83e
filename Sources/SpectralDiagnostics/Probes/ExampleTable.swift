import LinearAlgebra

/// A partial in which every example has an element for every quantity, so that adding the shares gathers them all.
///
/// NaN says that a value is not finite, −∞ is a logarithm of zero; both survive the sum.
struct ExampleTable: Sendable {
    let quantities: Int
    let examples: Int
    private(set) var elements: [Double]

    /// Zeros, to be filled by a share.
    init(quantities: Int, examples: Int) {
        (self.quantities, self.examples) = (quantities, examples)
        elements = Array(repeating: 0, count: quantities * examples)
    }

    /// The sums of all shares.
    init(_ sums: [Double], quantities: Int, examples: Int) {
        precondition(sums.count == quantities * examples, "the sums of this probe, of this network and of this batch")
        (self.quantities, self.examples, elements) = (quantities, examples, sums)
    }

    subscript(quantity: Int, example: Int) -> Double {
        get { elements[quantity * examples + example] }
        set { elements[quantity * examples + example] = newValue }
    }

    /// A quantity of every example.
    subscript(quantity: Int) -> [Double] { Array(elements[quantity * examples..<(quantity + 1) * examples]) }
}

/// What the values of several examples amount to.
struct ExampleSummary: Sendable {
    private let values: [Double]
    private let failure: String?

    /// - Parameters:
    ///   - values: one an example.
    ///   - subject: what is not finite where a value is NaN or +∞, such as "the Jacobian".
    ///   - vanishing: what is said of a value of −∞, such as "the Jacobian loses rank".
    init(_ values: [Double], subject: String, vanishing: String) {
        self.values = values
        let (broken, vanished) = (values.count { $0.isNaN || $0 == .infinity }, values.count { $0 == -.infinity })
        failure =
            if values.isEmpty { "there are no examples" } else if broken > 0 {
                "\(subject) is not finite at \(broken) of \(values.count) examples"
            } else if vanished > 0 { "\(vanishing) at \(vanished) of \(values.count) examples" } else { nil }
    }

    /// With the half width of its 95 % interval over examples, from two examples on.
    var mean: Measured {
        measured { values in
            let count = Double(values.count)
            let mean = values.reduce(0, +) / count
            if values.count < 2 { return .value(mean) }
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
            let error = (variance / count).squareRoot()
            return .value(mean, uncertainty: error * DepthSlope.studentQuantile(degrees: values.count - 1))
        }
    }

    var largest: Measured { measured { .value($0.reduce(-.infinity, max)) } }
    var smallest: Measured { measured { .value($0.reduce(.infinity, min)) } }

    /// The middle value, or the mean of the two in the middle.
    var median: Measured {
        measured { values in
            let sorted = values.sorted()
            return .value((sorted[(values.count - 1) / 2] + sorted[values.count / 2]) / 2)
        }
    }

    private func measured(_ make: ([Double]) -> Measured) -> Measured { failure.map { .unavailable($0) } ?? make(values) }
}
