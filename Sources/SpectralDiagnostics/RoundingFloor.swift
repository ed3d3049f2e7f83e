import LinearAlgebra

/// Below which singular values of a stored matrix W = W₀ + E can be made by rounding its elements, |E_ij| ≤ u·|W_ij|, alone.
///
/// O(m·n).
struct RoundingFloor: Hashable, Sendable {
    /// u·‖W‖_F ≥ ‖E‖_F ≥ ‖E‖₂, whatever the errors are.
    private(set) var bound = 0.0
    /// About ‖E‖₂ from above, for errors that are independent and spread evenly over a unit in the last place: u/√3 times the largest
    /// norm of a row and of a column, added. `bound` overrates a large matrix by the square root of its size. It is `bound` for float32,
    /// in which elements are computed too, and not rounded but once.
    private(set) var expected = 0.0

    init() {}

    /// That of one matrix.
    init(of w: MatrixView, _ precision: ElementPrecision) {
        bound = precision.unitRoundoff * VectorKernels.sumOfSquares(w.elements).squareRoot()
        expected = precision == .float32 ? bound : min(bound, precision.unitRoundoff * Self.sides(w) / 3.0.squareRoot())
    }

    /// The largest norm of a row and of a column, added.
    private static func sides(_ w: MatrixView) -> Double {
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
        return largestRow.squareRoot() + (columnSquares.max() ?? 0).squareRoot()
    }

    /// That of several matrices whose singular values are taken together.
    mutating func widen(to other: RoundingFloor) {
        bound = max(bound, other.bound)
        expected = max(expected, other.expected)
    }
}
