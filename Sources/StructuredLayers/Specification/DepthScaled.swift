/// A number above 0 that may shrink with the depth L of the network: `c`, `c/L` or `c/sqrt(L)`. Caps, fixed scales and step sizes are
/// written so.
public struct DepthScaled: Hashable, Sendable {
    /// What c is divided by.
    public enum DepthRule: Hashable, Sendable {
        /// c itself.
        case constant
        /// c/L: as the budget of a cap, it keeps the singular values of the whole network within about e^±c.
        case inverse
        /// c/√L.
        case inverseRoot
    }

    /// The number c.
    public let coefficient: Double
    /// What c is divided by.
    public let rule: DepthRule

    static let expectation = "a number from 1e-30 to 1e30, c/L or c/sqrt(L)"

    /// `coefficient`, divided as `rule` says.
    public init(coefficient: Double, rule: DepthRule) {
        self.coefficient = coefficient
        self.rule = rule
    }

    /// Reads it as it stands in an experiment file; nil when it is not one.
    public init?(_ value: OptionValue) {
        switch value {
        case .integer(let number): self.init(coefficient: Double(number), rule: .constant)
        case .number(let number): self.init(coefficient: number, rule: .constant)
        case .text(let text):
            let compact = String(text.filter { $0 != " " })
            let parts = compact.split(separator: "/", omittingEmptySubsequences: false)
            guard let coefficient = parts.first.flatMap({ Double($0) }) else { return nil }
            switch parts.dropFirst() {
            case []: self.init(coefficient: coefficient, rule: .constant)
            case ["L"]: self.init(coefficient: coefficient, rule: .inverse)
            case ["sqrt(L)"]: self.init(coefficient: coefficient, rule: .inverseRoot)
            default: return nil
            }
        case .flag, .list: return nil
        }
        // Within float32, also after it is divided by the depth.
        guard (1e-30...1e30).contains(coefficient) else { return nil }
    }

    /// The number for a network of `depth` layers.
    public func value(depth: Int) -> Double {
        switch rule {
        case .constant: coefficient
        case .inverse: coefficient / Double(depth)
        case .inverseRoot: coefficient / Double(depth).squareRoot()
        }
    }
}

extension DepthScaled: CustomStringConvertible {
    /// As an experiment file writes it.
    public var description: String {
        switch rule {
        case .constant: "\(coefficient)"
        case .inverse: "\(coefficient)/L"
        case .inverseRoot: "\(coefficient)/sqrt(L)"
        }
    }
}
