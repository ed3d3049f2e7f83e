/// Elementary functions of float64 from arithmetic alone: the same bits on every machine, where libm's differ. Errors of a few ulp.
public enum ScalarMath {
    /// Natural logarithm; −∞ at 0, NaN below.
    public static func log(_ x: Double) -> Double {
        if x.isNaN || x < 0 { return .nan }
        if x == 0 { return -.infinity }
        if x == .infinity { return x }
        var (exponent, mantissa) = (Double(x.exponent), x.significand)
        if mantissa > 1.414_213_562_373_095 {
            mantissa *= 0.5
            exponent += 1
        }
        // ln m = 2 artanh s, s = (m − 1)/(m + 1), |s| ≤ 0.1716: the series' 13th term is below 2⁻⁵⁷ of the first.
        let s = (mantissa - 1) / (mantissa + 1)
        let square = s * s
        var sum = 0.0
        for order in stride(from: 23, through: 3, by: -2) { sum = (sum + 1 / Double(order)) * square }
        let small = 2 * s + 2 * s * sum
        return exponent * 0x1.62e42fefa3p-1 + (small + exponent * 0x1.3de6af278ece6p-42)
    }

    /// Decimal logarithm.
    public static func log10(_ x: Double) -> Double { log(x) * 0.434_294_481_903_251_8 }

    /// e^x.
    public static func exp(_ x: Double) -> Double {
        if x.isNaN { return x }
        if x > 709.79 { return .infinity }
        if x < -745.2 { return 0 }
        let n = (x * 1.442_695_040_888_963_4).rounded()
        let r = (x - n * 0x1.62e42fefa3p-1) - n * 0x1.3de6af278ece6p-42
        var (sum, order) = (1.0, 14.0)
        while order >= 1 {
            sum = 1 + r / order * sum
            order -= 1
        }
        let half = Int(n) / 2
        return Double(sign: .plus, exponent: Int(n) - half, significand: sum * Double(sign: .plus, exponent: half, significand: 1))
    }
}

extension ScalarMath {
    /// cos(2πx) and sin(2πx) by Taylor's series in the nearest eighth of a turn.
    public static func cosineAndSine(turns: Double) -> (cosine: Double, sine: Double) {
        let fraction = turns - turns.rounded(.down)
        let quarter = (fraction * 4).rounded()
        let angle = (fraction - quarter / 4) * 2 * Double.pi
        let square = angle * angle
        var (cosine, sine) = (1.0, 1.0)
        for order in stride(from: 20.0, through: 2, by: -2) {
            cosine = 1 - square / (order * (order - 1)) * cosine
            sine = 1 - square / (order * (order + 1)) * sine
        }
        sine *= angle
        switch Int(quarter) % 4 {
        case 0: return (cosine, sine)
        case 1: return (-sine, cosine)
        case 2: return (-cosine, -sine)
        default: return (sine, -cosine)
        }
    }
}
