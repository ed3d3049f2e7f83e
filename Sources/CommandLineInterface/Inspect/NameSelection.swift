/// Names that match one of the globs, or all if there are none, and none of the excluded ones.
struct NameSelection: Sendable {
    var included: [String]
    var excluded: [String]

    func contains(_ name: String) -> Bool {
        let isIncluded = included.isEmpty || included.contains { Self.matches(name, $0) }
        return isIncluded && !excluded.contains { Self.matches(name, $0) }
    }

    /// `*` stands for any text, `?` for one character. O(name · glob).
    static func matches(_ name: String, _ glob: String) -> Bool {
        let (text, pattern) = (Array(name), Array(glob))
        var (at, place, star, mark) = (0, 0, -1, 0)
        while at < text.count {
            if place < pattern.count, pattern[place] == "*" {
                (star, mark) = (place, at)
                place += 1
            } else if place < pattern.count, pattern[place] == "?" || pattern[place] == text[at] {
                (at, place) = (at + 1, place + 1)
            } else if star >= 0 {
                // The last star takes one character more.
                mark += 1
                (at, place) = (mark, star + 1)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == "*" }
    }
}
