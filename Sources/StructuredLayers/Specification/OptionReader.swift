/// Hands out the options of one path or correction, checks them, and notes every default it fills in.
///
/// A family asks for each option it knows; what nobody asked for is refused when the family is built. So the list of
/// a family's options is written once, in its initialiser.
public struct OptionReader: Sendable {
    /// Where the options stand in the experiment file, as `model.path`.
    public let keyPath: String
    /// Every option asked for so far, with its value or its default.
    public private(set) var resolved: [String: OptionValue] = [:]
    private let given: [String: OptionValue]
    private var known: [String] = []

    /// Reads from `options`, which stand at `keyPath`.
    public init(_ options: [String: OptionValue], keyPath: String) {
        given = options
        self.keyPath = keyPath
    }

    /// A whole number within `range`; `meaning` says what the range comes from. Required when there is no default.
    public mutating func integer(
        _ key: String, default standard: Int? = nil, in range: ClosedRange<Int>, meaning: String
    ) throws(SpecificationError) -> Int {
        let expectation = "\(range.lowerBound)…\(range.upperBound), \(meaning)"
        let value = try value(key, default: standard.map { .integer($0) }, expectation: expectation)
        guard case .integer(let number) = value, range.contains(number) else {
            throw refusal(of: key, value, expectation: expectation)
        }
        return number
    }

    /// One of a few whole numbers; `meaning` says where they come from. Required when there is no default.
    public mutating func integer(
        _ key: String, default standard: Int? = nil, among allowed: [Int], meaning: String
    ) throws(SpecificationError) -> Int {
        let expectation = "one of " + allowed.map(String.init).joined(separator: ", ") + ", " + meaning
        let value = try value(key, default: standard.map { .integer($0) }, expectation: expectation)
        guard case .integer(let number) = value, allowed.contains(number) else {
            throw refusal(of: key, value, expectation: expectation)
        }
        return number
    }

    /// A finite number for which `accepts` holds; `expectation` says which those are. Required when there is no default.
    public mutating func number(
        _ key: String, default standard: Double? = nil, expectation: String, accepts: (Double) -> Bool
    ) throws(SpecificationError) -> Double {
        let value = try value(key, default: standard.map { .number($0) }, expectation: expectation)
        let number: Double? =
            switch value {
            case .number(let number): number
            case .integer(let whole): Double(whole)
            default: nil
            }
        guard let number, number.isFinite, accepts(number) else { throw refusal(of: key, value, expectation: expectation) }
        // What it is used as: one that vanishes or overflows there would be accepted and do something else.
        guard Float(number).isFinite, number == 0 || Float(number) != 0 else {
            throw refusal(of: key, value, expectation: expectation + " that a float32 holds")
        }
        return number
    }

    /// A number above 0, `c/L` or `c/sqrt(L)`, as it is at `depth`, where it may be at most `limit`.
    public mutating func depthScaled(
        _ key: String, default standard: OptionValue, depth: Int, limit: Double = .infinity
    ) throws(SpecificationError) -> Double {
        let expectation = DepthScaled.expectation + (limit.isFinite ? ", at most \(limit) at depth \(depth)" : "")
        let value = try value(key, default: standard, expectation: expectation)
        guard let number = DepthScaled(value)?.value(depth: depth), number <= limit else {
            throw refusal(of: key, value, expectation: expectation)
        }
        return number
    }

    /// True or false.
    public mutating func flag(_ key: String, default standard: Bool) throws(SpecificationError) -> Bool {
        let value = try value(key, default: .flag(standard), expectation: "true or false")
        guard case .flag(let flag) = value else { throw refusal(of: key, value, expectation: "true or false") }
        return flag
    }

    /// One of the names of `Choice`.
    public mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, default standard: Choice
    ) throws(SpecificationError) -> Choice {
        let expectation = "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", ")
        let value = try value(key, default: .text(standard.rawValue), expectation: expectation)
        guard case .text(let name) = value, let choice = Choice(rawValue: name) else {
            throw refusal(of: key, value, expectation: expectation)
        }
        return choice
    }

    /// The raw value of an option, or its default.
    public mutating func value(
        _ key: String, default standard: OptionValue? = nil, expectation: String
    ) throws(SpecificationError) -> OptionValue {
        known.append(key)
        guard let value = given[key] ?? standard else {
            throw SpecificationError(keyPath: "\(keyPath).\(key)", value: "nothing", expectation: expectation)
        }
        resolved[key] = value
        return value
    }

    /// The error that says that `value` does not do for `key`.
    public func refusal(of key: String, _ value: OptionValue, expectation: String) -> SpecificationError {
        SpecificationError(keyPath: "\(keyPath).\(key)", value: value.description, expectation: expectation)
    }

    /// Refuses the first option, in alphabetical order, that nobody asked for.
    func refuseUnknown(of owner: String) throws(SpecificationError) {
        guard let key = given.keys.sorted().first(where: { !known.contains($0) }), let value = given[key] else { return }
        let options = known.isEmpty ? "it has no options" : "its options are " + known.sorted().joined(separator: ", ")
        throw refusal(of: key, value, expectation: "no such option of \(owner): \(options)")
    }
}
