import LinearAlgebra

/// Below which singular values of a stored matrix W = W₀ + E can be made by rounding its elements alone, |E_ij| ≤ max(u·|W_ij|, s/2).
///
/// s is the format's smallest number: elements near it are rounded to multiples of it. O(m·n).
struct RoundingFloor: Hashable, Sendable {
    /// √(u²·‖W‖_F² + m·n·s²/4) ≥ ‖E‖_F ≥ ‖E‖₂, whatever the errors are.
    private(set) var bound = 0.0
    /// About ‖E‖₂ from above, for errors that are independent and spread evenly over a unit in the last place: 1/√3 of the largest
    /// such bound of a row and of a column, added. `bound` overrates a large matrix by the square root of its size. It is `bound` for float32,
    /// in which elements are computed too, and not rounded but once.
    private(set) var expected = 0.0

    init() {}

    /// That of one matrix.
    init(of w: MatrixView, _ precision: ElementPrecision) {
        bound = Self.bound(VectorKernels.sumOfSquares(w.elements), w.elements.count, precision)
        expected = precision == .float32 ? bound : min(bound, Self.sides(w, precision) / 3.0.squareRoot())
    }

    /// Of the errors of elements with this sum of squares.
    private static func bound(_ squares: Double, _ count: Int, _ precision: ElementPrecision) -> Double {
        let (u, half) = (precision.unitRoundoff, precision.smallest / 2)
        return (u * u * squares + Double(count) * half * half).squareRoot()
    }

    /// The largest bound of a row and of a column, added.
    private static func sides(_ w: MatrixView, _ precision: ElementPrecision) -> Double {
        var (largestRow, columnSquares) = (0.0, Array(repeating: 0.0, count: w.columns))
        for row in 0..<w.rows {
            var squares = 0.0
            for column in 0..<w.columns {
                let element = Double(w.elements[row * w.columns + column])
                squares += element * element
                columnSquares[column] += element * element
            }
            largestRow = max(largestRow, squares)
        }
        return bound(largestRow, w.columns, precision) + bound(columnSquares.max() ?? 0, w.rows, precision)
    }

    /// That of several matrices whose singular values are taken together.
    mutating func widen(to other: RoundingFloor) {
        bound = max(bound, other.bound)
        expected = max(expected, other.expected)
    }
}
