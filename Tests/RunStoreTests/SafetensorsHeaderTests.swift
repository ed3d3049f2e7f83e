import Foundation
import Testing

@testable import RunStore

@Suite("Safetensors headers that lie")
struct SafetensorsHeaderTests {
    /// A header of float32 tensors without data.
    private static func empty(_ shapes: [String]) -> Data {
        let entries = shapes.enumerated().map { "\"t\($0)\":{\"dtype\":\"F32\",\"shape\":\($1),\"data_offsets\":[0,0]}" }
        return SafetensorsTests.raw("{\(entries.joined(separator: ","))}")
    }

    @Test(
        "a 0 in a shape does not hide that the other sizes have no product",
        arguments: [
            "[0,5,9000000000000000000,9000000000000000000]", "[0,0,9000000000000000000]", "[9000000000000000000,0]",
            "[3000000000,0,3000000000]",
        ])
    func overflow(shape: String) throws {
        #expect(try SafetensorsTests.refusal(Self.empty([shape])).contains("larger than any file"))
    }

    @Test("empty tensors of possible sizes are accepted")
    func possible() throws {
        #expect(
            try SafetensorsTests.refusal(Self.empty(["[0,5]", "[8,0,200000000]", "[0]", "[1000000000,0,1000000000]"])) == "accepted"
        )
    }

    @Test("a tensor of an unknown type is described, the others can be read, and reading it says what it is")
    func unknownType() throws {
        let header = """
            {"c":{"dtype":"C64","shape":[1],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}
            """
        try SafetensorsTests.inTemporaryFolder { folder in
            try SafetensorsTests.raw(header, [UInt8](repeating: 0, count: 10) + [0x80, 0x3F]).write(
                to: URL(filePath: "\(folder)/x"))
            let file = try SafetensorsFile("\(folder)/x")
            let complex = try #require(file.tensor(named: "c"))
            #expect(complex.element == nil && complex.elementName == "C64" && complex.shape == [1])
            #expect(try file.floats(of: try #require(file.tensor(named: "w"))) == [1])
            #expect { try file.floats(of: complex) } throws: {
                "\($0)".contains("c has the element type C64, which is not read here")
            }
        }
    }

    @Test(
        "a name that stands twice is refused, whatever the offsets and spelling say",
        arguments: [
            (#"{"a":E,"a":E}"#, #""a" twice"#), (#"{"a":E,"b":E,"\u0061":E}"#, "two spellings"),
            (#"{"a\"{":E,"__metadata__":{"x":"a","y":"{\"a\":"},"a\"{":E}"#, "twice"),
        ])
    func repeated(header: String, expected: String) throws {
        let entry = #"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#
        #expect(try SafetensorsTests.refusal(SafetensorsTests.raw(header.replacing("E", with: entry))).contains(expected))
    }

    @Test(
        "a field that stands twice is refused",
        arguments: [
            #"{"a":{"dtype":"F32","shape":[0],"shape":[0],"data_offsets":[0,0]}}"#,
            #"{"__metadata__":{"x":"1","x":"2"},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#,
            #"{"__metadata__":{"x":"1","\u0078":"2"},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#,
        ])
    func repeatedField(header: String) throws {
        #expect(try SafetensorsTests.refusal(SafetensorsTests.raw(header)).contains("twice"))
    }

    @Test(
        "other encodings than UTF-8 are no header",
        arguments: [String.Encoding.utf16LittleEndian, .utf16BigEndian, .utf32LittleEndian])
    func encodings(encoding: String.Encoding) throws {
        let header = try #require(#"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#.data(using: encoding))
        let file = Data((0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }) + header
        #expect(try SafetensorsTests.refusal(file).contains("not a JSON object"))
    }

    @Test("texts that look like names are none")
    func notRepeated() throws {
        let header = #"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"__metadata__":{"a":"\"a\":{","b":"\\"}}"#
        #expect(try SafetensorsTests.refusal(SafetensorsTests.raw(header)) == "accepted")
    }

    @Test("what is no regular file is refused, not waited for")
    func irregular() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            #expect(unsafe mkfifo("\(folder)/pipe", 0o600) == 0)
            #expect { try SafetensorsFile("\(folder)/pipe") } throws: { "\($0)".contains("this is a pipe or a device") }
            #expect { try SafetensorsFile(folder) } throws: { "\($0)".contains("this is a directory") }
        }
    }

    @Test("controls of a hostile name are spelt out in the refusal")
    func controls() throws {
        let header = #"{"a\u001b[2J\n":{"dtype":"F32","shape":[1],"data_offsets":[0,0]}}"#
        #expect(try SafetensorsTests.refusal(SafetensorsTests.raw(header)).hasPrefix(#"a\u{1B}[2J\n has the shape [1]"#))
        #expect("ünï/日本".escapedForTerminal == "ünï/日本" && "\u{202E}\t\r\u{9B}".escapedForTerminal == #"\u{202E}\t\r\u{9B}"#)
    }

    @Test("the largest float64 is found beside NaN and infinity")
    func largest() throws {
        func largest(_ values: [Double]) throws -> Double? {
            let bytes = values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) } }
            let header = "{\"a\":{\"dtype\":\"F64\",\"shape\":[\(values.count)],\"data_offsets\":[0,\(bytes.count)]}}"
            return try SafetensorsTests.inTemporaryFolder { folder in
                try SafetensorsTests.raw(header, bytes).write(to: URL(filePath: "\(folder)/x"))
                let file = try SafetensorsFile("\(folder)/x")
                return try file.largestMagnitude(ofDoubles: file.tensors[0])
            }
        }
        #expect(try largest([1, -1e300, .nan, .infinity, 2]) == 1e300)
        #expect(try largest([0, -0]) == 0 && largest([.nan, -.infinity]) == nil && largest([]) == nil)
    }
}
