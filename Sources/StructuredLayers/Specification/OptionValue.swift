/// The value of one option of a path or a correction, as an experiment file writes it.
public enum OptionValue: Hashable, Sendable {
    case flag(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case list([OptionValue])
}

extension OptionValue: CustomStringConvertible {
    /// The value as an experiment file writes it.
    public var description: String {
        switch self {
        case .flag(let value): String(value)
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .text(let value): value
        case .list(let values): "[" + values.map(\.description).joined(separator: ", ") + "]"
        }
    }
}

extension OptionValue: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral,
    ExpressibleByBooleanLiteral
{
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(stringLiteral value: String) { self = .text(value) }
    public init(booleanLiteral value: Bool) { self = .flag(value) }
}

extension OptionValue: Codable {
    /// Reads a scalar or a list of them; the first of flag, integer, number and text that fits.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Bool.self) {
            self = .flag(value)
        } else if let value = try? container.decode(Int.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else {
            self = .list(try container.decode([OptionValue].self))
        }
    }

    /// Writes the plain value, without a label.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .flag(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .list(let values): try container.encode(values)
        }
    }
}

/// A key that is known only when it is read.
struct OptionKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

/// The options beside the name in a flat mapping such as `{ family: householder, reflectors: 16 }`.
enum NamedOptions {
    /// Reads the name under `key` and every other entry as an option.
    static func decode(from decoder: any Decoder, nameKey: String) throws -> (name: String, options: [String: OptionValue]) {
        let container = try decoder.container(keyedBy: OptionKey.self)
        let name = try container.decode(String.self, forKey: OptionKey(stringValue: nameKey))
        var options: [String: OptionValue] = [:]
        for key in container.allKeys where key.stringValue != nameKey {
            options[key.stringValue] = try container.decode(OptionValue.self, forKey: key)
        }
        return (name, options)
    }

    /// Writes the name first, then the options in alphabetical order.
    static func encode(name: String, nameKey: String, options: [String: OptionValue], to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: OptionKey.self)
        try container.encode(name, forKey: OptionKey(stringValue: nameKey))
        for key in options.keys.sorted() {
            try container.encode(options[key], forKey: OptionKey(stringValue: key))
        }
    }
}
