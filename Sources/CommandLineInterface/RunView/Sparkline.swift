import Foundation

/// A row of block characters whose heights follow numbers.
enum Sparkline {
    /// How heights follow values.
    enum Scale: Hashable {
        case linear
        /// Decades: for positive values whose largest is thirty times the smallest or more.
        case logarithmic
        /// Values that differ by less than three digits show: one height for all.
        case flat
    }

    static let blocks: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    /// For terminals without UTF-8.
    static let letters: [Character] = ["_", ".", "-", "=", "+", "*", "#", "@"]

    /// The scale that suits `values`; those that are nil or not finite do not count.
    static func scale(of values: [Double?]) -> Scale {
        let numbers = values.compactMap { $0 }.filter(\.isFinite)
        guard let low = numbers.min(), let high = numbers.max() else { return .flat }
        if high - low <= 1e-4 * max(abs(low), abs(high)) { return .flat }
        return low > 0 && high >= 30 * low ? .logarithmic : .linear
    }

    /// At most `width` characters for `values` in order; when there are more values than that, each character is the mean of its share.
    /// A character without a finite value is a dot.
    static func draw(_ values: [Double?], width: Int, isUnicode: Bool = true) -> String {
        let levels = isUnicode ? blocks : letters
        let scale = scale(of: values)
        let heights = values.map { value -> Double? in
            guard let value, value.isFinite else { return nil }
            return scale == .logarithmic ? log10(value) : value
        }
        let bins = means(heights, bins: min(width, heights.count))
        let present = bins.compactMap { $0 }
        let (low, high) = (present.min() ?? 0, present.max() ?? 0)
        return String(
            bins.map { height in
                guard let height else { return isUnicode ? "·" : " " }
                if scale == .flat || high == low { return levels[3] }
                // Halves first: the difference of two large numbers may not be one.
                let share = (height / 2 - low / 2) / (high / 2 - low / 2)
                return levels[min(7, Int(share * 8))]
            })
    }

    /// The mean of each of `bins` consecutive shares, as equal as whole numbers can be; nil where a share has no value.
    private static func means(_ values: [Double?], bins: Int) -> [Double?] {
        (0..<bins).map { bin in
            let share = values[bin * values.count / bins..<(bin + 1) * values.count / bins].compactMap { $0 }
            return share.isEmpty ? nil : share.reduce(0) { $0 + $1 / Double(share.count) }
        }
    }
}
