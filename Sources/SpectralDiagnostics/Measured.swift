/// A measured quantity: a value, with its uncertainty where there is one, or the reason why there is none. Never a bare guess.
public enum Measured: Hashable, Sendable {
    /// `uncertainty` is the half width of an interval or the residual, as the diagnostic states; nil for an exact computation.
    case value(Double, uncertainty: Double? = nil)
    case unavailable(String)

    /// The number, if there is one.
    public var number: Double? {
        if case .value(let value, _) = self { value } else { nil }
    }

    public var uncertainty: Double? {
        if case .value(_, let uncertainty) = self { uncertainty } else { nil }
    }

    public var reason: String? {
        if case .unavailable(let reason) = self { reason } else { nil }
    }
}
