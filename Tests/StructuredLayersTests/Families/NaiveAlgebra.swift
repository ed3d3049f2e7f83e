@testable import StructuredLayers

extension Naive {
    static func norm(_ x: [Traced]) -> Traced { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    /// aᵀ·x for a row-major matrix of x.count rows.
    static func multiplyTransposed(_ a: [Traced], _ x: [Traced], columns: Int) -> [Traced] {
        (0..<columns).map { j in x.indices.reduce(0) { $0 + a[$1 * columns + j] * x[$1] } }
    }

    /// u and σ after one step of power iteration from v: u = W·v/‖W·v‖, σ = ‖Wᵀ·u‖.
    static func powerStep(_ w: [Traced], from v: [Traced], rows: Int) -> (u: [Traced], sigma: Traced) {
        let product = multiply(w, v, rows: rows)
        let u = product.map { $0 / norm(product) }
        return (u, norm(multiplyTransposed(w, u, columns: v.count)))
    }

    /// A = S − Sᵀ, row-major, from the strict upper triangle of S.
    static func skew(_ triangle: [Traced], _ n: Int) -> [Traced] {
        var (a, next) = ([Traced](repeating: 0, count: n * n), 0)
        for i in 0..<n {
            for j in i + 1..<max(n, i + 1) {
                (a[i * n + j], a[j * n + i]) = (triangle[next], -triangle[next])
                next += 1
            }
        }
        return a
    }

    /// a⁻¹·b by Gauss and Jordan, the largest pivot first.
    static func solve(_ a: [Traced], _ b: [Traced]) -> [Traced] {
        let n = b.count
        var (rows, x) = ((0..<n).map { Array(a[$0 * n..<($0 + 1) * n]) }, b)
        for column in 0..<n {
            let pivot = (column..<n).max { rows[$0][column].value.magnitude < rows[$1][column].value.magnitude }!
            rows.swapAt(column, pivot)
            x.swapAt(column, pivot)
            for row in 0..<n where row != column {
                let factor = rows[row][column] / rows[column][column]
                for k in column..<n { rows[row][k] -= factor * rows[column][k] }
                x[row] -= factor * x[column]
            }
        }
        return (0..<n).map { x[$0] / rows[$0][$0] }
    }
}
