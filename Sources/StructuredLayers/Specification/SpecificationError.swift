/// A model setting that cannot be: where it stands, what was read there, and what would be accepted.
public struct SpecificationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The place of the setting in the experiment file, as `model.path.reflectors`.
    public let keyPath: String
    /// What was read there; `nothing` when the setting is missing.
    public let value: String
    /// What would be accepted, as `1…128, the width`.
    public let expectation: String

    /// Refuses `value` at `keyPath`.
    public init(keyPath: String, value: String, expectation: String) {
        self.keyPath = keyPath
        self.value = value
        self.expectation = expectation
    }

    /// One sentence: the key, the value seen, and what is expected.
    public var description: String { "\(keyPath): got \(value), expected \(expectation)" }
}
