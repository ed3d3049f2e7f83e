/// A pattern over names: `*` stands for any characters, `?` for one, everything else for itself.
public struct Glob: Hashable, Sendable {
    let pattern: [Character]

    public init(_ pattern: String) { self.pattern = Array(pattern) }

    /// Whether the whole of `name` fits. O(pattern × name).
    ///
    /// Only the last star is ever tried again: what an earlier one could take, the last can take too.
    public func matches(_ name: String) -> Bool {
        let name = Array(name)
        var (place, position) = (0, 0)
        var star: (place: Int, position: Int)?
        while position < name.count {
            if place < pattern.count, pattern[place] == "*" {
                star = (place, position)
                place += 1
            } else if place < pattern.count, pattern[place] == "?" || pattern[place] == name[position] {
                place += 1
                position += 1
            } else if let last = star {
                star = (last.place, last.position + 1)
                (place, position) = (last.place + 1, last.position + 1)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == "*" }
    }
}
