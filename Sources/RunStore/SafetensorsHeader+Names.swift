extension SafetensorsHeader {
    /// Refuses a header that names one tensor twice, or a tensor's field, of which a reader of JSON keeps either. O(bytes).
    ///
    /// - Parameters:
    ///   - count: the names that a reader of JSON keeps.
    ///   - fieldCount: those within the tensors and the metadata.
    static func refuseRepeatedNames(_ bytes: [UInt8], among count: Int, fields fieldCount: Int, _ path: String)
        throws(SafetensorsError)
    {
        let (names, fields) = names(in: bytes)
        if names.count == count {
            if fields == fieldCount { return }
            throw SafetensorsError(
                path,
                "a tensor's dtype, shape or data_offsets, or an entry of __metadata__, stands twice in the header; write the file again"
            )
        }
        var seen: Set<ArraySlice<UInt8>> = []
        let repeated = names.first { !seen.insert($0).inserted }
        let name =
            repeated.map { String(decoding: $0, as: UTF8.self).quotedForMessage } ?? "a tensor, by two spellings of its name,"
        throw SafetensorsError(
            path, "the header has \(name) twice; which of them is meant nobody can know, so write the file again")
    }

    /// What stands before the colons of the outermost object of valid JSON, as it is spelt; and how many colons are one level below.
    private static func names(in bytes: [UInt8]) -> (names: [ArraySlice<UInt8>], fields: Int) {
        var (names, text, fields): ([ArraySlice<UInt8>], ArraySlice<UInt8>, Int) = ([], [], 0)
        var (depth, index) = (0, 0)
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ":") where depth == 1: names.append(text)
            case UInt8(ascii: ":") where depth == 2: fields += 1
            case UInt8(ascii: "\""):
                let start = index + 1
                index = endOfText(bytes, from: start)
                text = bytes[start..<index]
            default: break
            }
            index += 1
        }
        return (names, fields)
    }

    /// Where the quotes are that end a text.
    private static func endOfText(_ bytes: [UInt8], from start: Int) -> Int {
        var index = start
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") { index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1 }
        return min(index, bytes.count)
    }
}
