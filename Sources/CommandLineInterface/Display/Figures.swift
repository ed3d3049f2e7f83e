import Foundation

/// Numbers as people read them.
enum Figures {
    /// Four significant digits, in plain or scientific notation, whichever is shorter to read.
    static func short(_ value: Double?) -> String {
        guard let value else { return "n/a" }
        if value == 0 { return "0" }
        let magnitude = abs(value)
        if magnitude >= 0.001 && magnitude < 100_000 {
            let decimals = max(0, 3 - Int(log10(magnitude).rounded(.down)))
            return String(format: "%.\(decimals)f", value)
        }
        return String(format: "%.2e", value)
    }

    /// Three significant digits by default: 3.54, 0.0123, 1.2e+05; n/a where there is no number.
    static func brief(_ value: Double?, digits count: Int = 3) -> String {
        guard let value else { return "n/a" }
        if value == 0 { return "0" }
        let digits = String(format: "%.\(count - 1)e", value)
        guard let mark = digits.lastIndex(of: "e"), let exponent = Int(digits[digits.index(after: mark)...]) else { return digits }
        guard (-3...4).contains(exponent) else { return String(format: "%.1e", value) }
        return String(format: "%.\(max(0, count - 1 - exponent))f", value)
    }

    /// 97.22 %
    static func percent(_ fraction: Double?) -> String {
        guard let fraction else { return "n/a" }
        return String(format: "%.2f %%", fraction * 100)
    }

    /// 1,234
    static func count(_ value: Double) -> String {
        var digits = String(Int(value.rounded()))
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        return ([digits] + groups).joined(separator: ",")
    }

    /// 12 s, 3 min 05 s, 2 h 10 min
    static func time(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded())
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return String(format: "%d min %02d s", whole / 60, whole % 60) }
        return String(format: "%d h %02d min", whole / 3600, whole % 3600 / 60)
    }
}
