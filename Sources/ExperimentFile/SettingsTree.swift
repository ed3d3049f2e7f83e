import Yams

/// A YAML document as nested settings, with `--set` overrides applied.
struct SettingsTree {
    let source: String
    private(set) var root: Node

    /// Limit on a file's size: an experiment is a page of text, not data.
    static let bytesMax = 1 << 20
    /// Limit on nesting, which also bounds recursion.
    static let depthMax = 16

    /// Reads YAML text. `source` names it in errors.
    init(text: String, source: String) throws(ExperimentError) {
        self.source = source
        guard text.utf8.count <= Self.bytesMax else {
            throw ExperimentError(
                source: source, "the file has \(text.utf8.count) bytes, but an experiment has at most \(Self.bytesMax)")
        }
        // An alias may stand for an alias, so a short text can unfold into a huge tree: experiments have no use for them.
        if Self.holdsAlias(text) {
            throw ExperimentError(source: source, "aliases (&name, *name) are not accepted; write the value out")
        }
        let composed: Node?
        do { composed = try Yams.compose(yaml: text) } catch { throw Self.explain(error, source: source) }
        root = composed ?? Node.mapping(Node.Mapping([]))
        guard root.mapping != nil else {
            throw ExperimentError(source: source, "an experiment is a mapping of keys to values, like `seed: 0`")
        }
        guard Self.depth(of: root, limit: Self.depthMax) <= Self.depthMax else {
            throw ExperimentError(source: source, "the file is nested deeper than \(Self.depthMax) levels")
        }
    }

    /// Applies `path.to.key=value`; the value is read as YAML.
    mutating func set(_ assignment: String) throws(ExperimentError) {
        let option = "--set \(assignment)"
        guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
            throw ExperimentError(source: option, "expected path.to.key=value, like training.steps=200")
        }
        let path = assignment[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let text = String(assignment[assignment.index(after: equals)...])
        guard !path.contains(""), path.count <= Self.depthMax else {
            throw ExperimentError(source: option, "\(assignment[..<equals]) is not a path of keys joined by dots")
        }
        if Self.holdsAlias(text) { throw ExperimentError(source: option, "aliases (&name, *name) are not accepted") }
        let value: Node
        do { value = try Yams.compose(yaml: text) ?? Node("") } catch { throw Self.explain(error, source: option) }
        root = try Self.replacing(path[...], in: root, with: value, option: option)
    }

    private static func replacing(_ path: ArraySlice<String>, in node: Node, with value: Node, option: String)
        throws(ExperimentError)
        -> Node
    {
        guard let key = path.first else { return value }
        guard var mapping = node.mapping else {
            throw ExperimentError(source: option, "the key before \(key) holds a single value, not a section")
        }
        let old = mapping[Node(key)] ?? Node.mapping(Node.Mapping([]))
        mapping[Node(key)] = try replacing(path.dropFirst(), in: old, with: value, option: option)
        return .mapping(mapping)
    }

    private static func holdsAlias(_ text: String) -> Bool {
        var previous: Character = "\n"
        var quote: Character?
        var comment = false
        for character in text {
            if character == "\n" { comment = false }
            if let open = quote {
                if character == open { quote = nil }
            } else if !comment {
                let starts = previous.isWhitespace || "[{,:-".contains(previous)
                if (character == "\"" || character == "'") && starts { quote = character }
                if character == "#" && previous.isWhitespace { comment = true }
                if (character == "&" || character == "*") && starts { return true }
            }
            previous = character
        }
        return false
    }

    private static func depth(of node: Node, limit: Int) -> Int {
        if limit == 0 { return 1 }
        switch node {
        case .mapping(let mapping): return 1 + (mapping.map { depth(of: $0.value, limit: limit - 1) }.max() ?? 0)
        case .sequence(let sequence): return 1 + (sequence.map { depth(of: $0, limit: limit - 1) }.max() ?? 0)
        default: return 1
        }
    }

    private static func explain(_ error: any Error, source: String) -> ExperimentError {
        guard let error = error as? YamlError else { return ExperimentError(source: source, "the text is not YAML: \(error)") }
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            return ExperimentError(source: "\(source):\(mark.line):\(mark.column)", "the text is not YAML: \(problem)")
        default: return ExperimentError(source: source, "the text is not YAML")
        }
    }
}
