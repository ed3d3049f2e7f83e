import Yams

/// One mapping of an experiment file while it is read: every key that is not asked for is refused at the end.
final class SettingsSection {
    let source: String
    /// Dotted path of this section; empty at the top.
    let path: String
    private let mapping: Node.Mapping
    private var known: [String] = []

    init(_ tree: SettingsTree) {
        source = tree.source
        path = ""
        mapping = tree.root.mapping ?? Node.Mapping([])
    }

    private init(source: String, path: String, mapping: Node.Mapping) {
        self.source = source
        self.path = path
        self.mapping = mapping
    }

    func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    func error(_ sentence: String) -> ExperimentError { ExperimentError(source: source, sentence) }

    /// "KEY is VALUE, but EXPECTATION".
    func refusal(_ key: String, _ value: String, _ expectation: String) -> ExperimentError {
        error("\(path(of: key)) is \(value), but \(expectation)")
    }

    /// Whether the file says anything about `key`.
    func has(_ key: String) -> Bool { mapping[Node(key)] != nil }

    /// The node of `key`, nil if the file does not mention it or says null.
    func node(_ key: String) -> Node? {
        known.append(key)
        guard let node = mapping[Node(key)] else { return nil }
        if case .scalar(let scalar) = node, scalar.style == .plain, ["", "~", "null"].contains(scalar.string) { return nil }
        return node
    }

    /// The section under `key`; an empty one if the file does not mention it.
    func section(_ key: String) throws(ExperimentError) -> SettingsSection {
        guard let node = node(key) else { return SettingsSection(source: source, path: path(of: key), mapping: Node.Mapping([])) }
        guard let mapping = node.mapping else {
            throw refusal(key, Self.print(node), "it must be a section with keys of its own")
        }
        return SettingsSection(source: source, path: path(of: key), mapping: mapping)
    }

    /// The text of a scalar.
    func text(_ key: String) throws(ExperimentError) -> String? {
        guard let node = node(key) else { return nil }
        guard case .scalar(let scalar) = node else { throw refusal(key, Self.print(node), "it must be a single value") }
        return scalar.string
    }

    func text(_ key: String, default value: String) throws(ExperimentError) -> String { try text(key) ?? value }

    func integer(_ key: String, default value: Int, in range: ClosedRange<Int>, _ what: String = "") throws(ExperimentError) -> Int
    {
        guard let text = try text(key) else { return value }
        guard let number = Int(text), range.contains(number) else {
            throw refusal(key, text, "it must be a whole number from \(range.lowerBound) to \(range.upperBound)\(what)")
        }
        return number
    }

    func number(_ key: String, default value: Double, in range: ClosedRange<Double>) throws(ExperimentError) -> Double {
        guard let text = try text(key) else { return value }
        guard let number = Double(text), number.isFinite, range.contains(number) else {
            throw refusal(key, text, "it must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func flag(_ key: String, default value: Bool) throws(ExperimentError) -> Bool {
        guard let text = try text(key) else { return value }
        switch text {
        case "true": return true
        case "false": return false
        default: throw refusal(key, text, "it must be true or false")
        }
    }

    /// One of a fixed list of words.
    func choice<Word: RawRepresentable & CaseIterable>(_ key: String, default value: Word) throws(ExperimentError) -> Word
    where Word.RawValue == String {
        guard let text = try text(key) else { return value }
        if let word = Word(rawValue: text) { return word }
        let allowed = Word.allCases.map(\.rawValue)
        throw refusal(
            key, text, "it must be one of: \(allowed.joined(separator: ", "))\(Self.suggestion(for: text, among: allowed))")
    }

    /// A list of words.
    func words(_ key: String) throws(ExperimentError) -> [String]? {
        guard let node = node(key) else { return nil }
        if case .scalar(let scalar) = node { return [scalar.string] }
        guard let sequence = node.sequence else { throw refusal(key, Self.print(node), "it must be a list, like [a, b]") }
        var words: [String] = []
        for item in sequence {
            guard case .scalar(let scalar) = item else { throw refusal(key, Self.print(node), "each entry must be a single value") }
            words.append(scalar.string)
        }
        return words
    }

    /// Every scalar of this section that has not been asked for by name, for parts whose keys another room knows.
    func remainingScalars() throws(ExperimentError) -> [(key: String, value: String)] {
        var pairs: [(String, String)] = []
        for (node, value) in mapping {
            guard case .scalar(let key) = node, !known.contains(key.string) else { continue }
            guard case .scalar(let scalar) = value else {
                throw refusal(key.string, Self.print(value), "it must be a single value")
            }
            known.append(key.string)
            pairs.append((key.string, scalar.string))
        }
        return pairs
    }

    /// Refuses keys that nobody asked for.
    func finish() throws(ExperimentError) {
        for (node, _) in mapping {
            let key = node.scalar?.string ?? Self.print(node)
            if known.contains(key) { continue }
            let allowed = Set(known).sorted()
            throw error(
                "\(path(of: key)) is not a known key\(Self.suggestion(for: key, among: allowed)); here one may write: "
                    + allowed.joined(separator: ", "))
        }
    }

    private static func print(_ node: Node) -> String {
        switch node {
        case .scalar(let scalar): scalar.string
        case .mapping: "a section"
        case .sequence: "a list"
        default: "an alias"
        }
    }

    static func suggestion(for word: String, among allowed: [String]) -> String {
        let near = allowed.map { ($0, editDistance($0, word)) }.min { $0.1 < $1.1 }
        guard let near, near.1 <= (word.count <= 3 ? 1 : max(2, word.count / 3)) else { return "" }
        return " (did you mean \(near.0)?)"
    }

    private static func editDistance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.lowercased().prefix(64)), Array(b.lowercased().prefix(64)))
        var row = Array(0...b.count)
        for i in a.indices {
            var previous = row[0]
            row[0] = i + 1
            for j in b.indices {
                let substitution = previous + (a[i] == b[j] ? 0 : 1)
                previous = row[j + 1]
                row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
}
