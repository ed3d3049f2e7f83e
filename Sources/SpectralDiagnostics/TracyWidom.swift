import LinearAlgebra

/// The far tail of the Tracy–Widom law for real matrices, that of the largest eigenvalue of noise (Johnstone, 2001).
///
/// F₁(s) = det(1 − V_s) with V_s(x, y) = Ai((x + y)/2)/2 on (s, ∞) (Ferrari and Spohn, 2005), so 1 − F₁(s) = tr V_s = ½∫_s^∞ Ai to
/// within 1 % of itself from the 99 % quantile on, and closer beyond. Oracle: that determinant, by SciPy.
enum TracyWidom {
    /// s with 1 − F₁(s) = p for 0 < p ≤ 0.01, to 0.005. O(1).
    static func upperQuantile(_ p: Double) -> Double {
        precondition(p > 0 && p <= 0.01, "a probability of the far tail")
        return p == 0.01 ? hundredth : search(p)
    }

    /// The one that every matrix but a kernel's asks for, 0.7 ms of work.
    private static let hundredth = search(0.01)

    private static func search(_ p: Double) -> Double {
        // Beyond 100 the tail is below 1e-290.
        var (low, high) = (1.5, 100.0)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if tail(middle) > p { low = middle } else { high = middle }
        }
        return low
    }

    /// ½∫_s^∞ Ai(x) dx, along the path c + it, c = √s, of steepest descent: e^(−2c³/3)/2π · ∫_0^∞ e^(−ct²)·Re(e^(−it³/3)/(c + it)) dt.
    private static func tail(_ s: Double) -> Double {
        let (c, steps) = (s.squareRoot(), 400)
        // There e^(−ct²) is 1e-16.
        let width = (37 / c).squareRoot() / Double(steps)
        var sum = 0.0
        for step in 0...steps {
            let t = width * Double(step)
            let (cosine, sine) = ScalarMath.cosineAndSine(turns: t * t * t / (6 * Double.pi))
            let value = ScalarMath.exp(-c * t * t) * (c * cosine - t * sine) / (c * c + t * t)
            sum += step == 0 || step == steps ? value / 2 : value
        }
        return ScalarMath.exp(-2 * c * c * c / 3) / (2 * Double.pi) * sum * width
    }
}
