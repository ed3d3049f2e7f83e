/// A setting that cannot be used: where it stands, what it says, and what would be accepted.
public struct ExperimentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file or option that the setting came from.
    public var source: String
    /// One sentence with cause and remedy.
    public var sentence: String

    public init(source: String, _ sentence: String) {
        self.source = source
        self.sentence = sentence
    }

    public var description: String { "\(source): \(sentence)" }
}
