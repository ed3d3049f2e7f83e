import ParameterServer

/// A 64-bit number as sixteen hexadecimal digits in JSON, whose own numbers are not safe beyond 2^53.
struct HexadecimalNumber: Codable {
    var workerID: WorkerID

    init(_ workerID: WorkerID) { self.workerID = workerID }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let digits = try container.decode(String.self)
        guard digits.utf8.count == 16, digits.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
            let number = UInt64(digits, radix: 16)
        else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "sixteen hexadecimal digits are expected")
        }
        workerID = WorkerID(rawValue: number)
    }

    func encode(to encoder: any Encoder) throws {
        let digits = String(workerID.rawValue, radix: 16)
        var container = encoder.singleValueContainer()
        try container.encode(String(repeating: "0", count: 16 - digits.utf8.count) + digits)
    }
}
