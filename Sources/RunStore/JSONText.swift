/// JSON made by hand where the order of keys matters: headers, log lines, details of events.
enum JSONText {
    /// Appends `text` as a JSON string with its quotes.
    static func append(_ text: String, to target: inout [UInt8]) {
        target.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): target.append(contentsOf: #"\""#.utf8)
            case UInt8(ascii: "\\"): target.append(contentsOf: #"\\"#.utf8)
            case UInt8(ascii: "\n"): target.append(contentsOf: #"\n"#.utf8)
            case UInt8(ascii: "\r"): target.append(contentsOf: #"\r"#.utf8)
            case UInt8(ascii: "\t"): target.append(contentsOf: #"\t"#.utf8)
            case 0..<0x20:
                target.append(contentsOf: #"\u00"#.utf8)
                target.append(contentsOf: CollectionOfOne(byte).hexadecimal.utf8)
            default: target.append(byte)
            }
        }
        target.append(UInt8(ascii: "\""))
    }

    /// An object of strings, its keys in byte order.
    static func object(_ members: [String: String]) -> String {
        var text = Array("{".utf8)
        for (key, value) in members.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            if text.count > 1 { text.append(UInt8(ascii: ",")) }
            append(key, to: &text)
            text.append(UInt8(ascii: ":"))
            append(value, to: &text)
        }
        return String(decoding: text + "}".utf8, as: UTF8.self)
    }
}

extension String {
    /// The text in quotes for an error sentence: control characters escaped, cut after 80 characters, since it may come from a hostile file.
    var quotedForMessage: String {
        var text: [UInt8] = []
        JSONText.append(count > 80 ? prefix(80) + "…" : self, to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}
