/// Checks the fields of one control message against their limits.
struct FieldChecker {
    let kind: ControlMessage.Kind

    static let nameBytesMax = 1024
    static let sentenceBytesMax = 64 << 10
    static let experimentBytesMax = 1 << 20
    /// A day.
    static let millisecondsMax = 86_400_000

    func text(_ field: String, _ value: String, bytesMax: Int) throws(ControlMessageError) {
        guard value.utf8.count <= bytesMax else {
            throw .value(kind: kind, field: field, found: "\(value.utf8.count) bytes", allowed: "at most \(bytesMax) bytes")
        }
    }

    func number(_ field: String, _ value: Int, in allowed: ClosedRange<Int>) throws(ControlMessageError) {
        guard allowed.contains(value) else {
            throw .value(kind: kind, field: field, found: "\(value)", allowed: "\(allowed.lowerBound) to \(allowed.upperBound)")
        }
    }
}
