import Yams

/// A value of the resolved file, which lists every setting in the order of the documentation.
indirect enum SettingsValue {
    /// A number, a word of ours, true or false: written without quotes.
    case plain(String)
    /// Text of the user's: quoted when YAML needs it.
    case text(String)
    case list([String])
    case section([(String, SettingsValue)])

    var node: Node {
        switch self {
        case .plain(let text): Node(text, Tag(.implicit), .plain)
        case .text(let text): Node(text, Tag(.str), Self.readsAsText(text) ? .any : .doubleQuoted)
        case .list(let words): Node(words.map { Node($0) }, Tag(.implicit), .flow)
        case .section(let entries): Node(entries.map { (Node($0.0), $0.1.node) })
        }
    }

    private static func readsAsText(_ text: String) -> Bool {
        Double(text) == nil && !["", "~", "null", "true", "false"].contains(text)
    }

    /// YAML text, keys in the given order.
    func yaml() -> String {
        do { return try Yams.serialize(node: node, width: -1, allowUnicode: true, sortKeys: false) } catch {
            preconditionFailure("a tree of scalars, lists and mappings always has a YAML text: \(error)")
        }
    }
}
