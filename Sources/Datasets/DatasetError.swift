/// Why data cannot be used: the file, what was seen in it, what to do.
public struct DatasetError: Error, Hashable, Sendable, CustomStringConvertible {
    public var file: String
    public var sentence: String

    public init(_ file: String, _ sentence: String) {
        self.file = file
        self.sentence = sentence
    }

    public var description: String { "\(file): \(sentence)" }
}
