extension String {
    /// The text with its control and format characters spelt out, as `\n` and `\u{1B}`: names in files may be anybody's, and a terminal
    /// obeys what it is shown. O(characters).
    public var escapedForTerminal: String {
        if !unicodeScalars.contains(where: Self.isObeyed) { return self }
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where Self.isObeyed(scalar): text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    private static func isObeyed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
