import LinearAlgebra

/// Q·D·U = J_l·…·J_1·Q_0 as it grows: Q of orthonormal columns, D diagonal, U upper triangular with ones on its diagonal.
///
/// After a loss of rank U is a row echelon form: r rows, of which each begins with a one.
struct TriangularProduct {
    /// Q, [rows of J_l, r].
    private(set) var q: Matrix
    /// ln D, r of them.
    private(set) var logarithms: [Double]
    /// U, [r, k].
    private var unit: DoubleMatrix

    /// Whether a dropped direction was so strong that its rounding hides what is left: D and U then say nothing of the product.
    private(set) var isHidden = false

    /// r.
    var rank: Int { logarithms.count }

    /// Begins with random orthonormal columns Q_0 [inputs, count].
    init(inputs: Int, count: Int) throws(LAPACKError) {
        var start = Matrix(rows: inputs, columns: count)
        do {
            var elements = start.mutableSpan
            CounterRNG(seed: 0, purpose: "lyapunov").fillNormal(&elements, standardDeviation: 1)
        }
        q = try LAPACK.qr(start.view).q
        logarithms = Array(repeating: 0, count: count)
        unit = DoubleMatrix(rows: count, columns: count)
        for index in 0..<count { unit[index, index] = 1 }
    }

    /// Takes J_{l+1}·Q in.
    mutating func multiply(_ image: Matrix) throws(LAPACKError) {
        var leading = Array(0..<image.columns)
        var (next, r) = try LAPACK.qr(image.view)
        let threshold = Self.threshold(image)
        if leading.contains(where: { abs(Double(r[$0, $0])) <= threshold }) {
            leading = Self.independentColumns(r, threshold: threshold)
            guard !leading.isEmpty else {
                (q, logarithms, unit) = (Matrix(rows: image.rows, columns: 0), [], DoubleMatrix(rows: 0, columns: unit.columns))
                return
            }
            let dropped = Set(0..<image.columns).subtracting(leading).map { logarithms[$0] }.reduce(-.infinity, max)
            let kept = leading.map { logarithms[$0] }.reduce(-.infinity, max)
            // The threshold is relative to a gain of the layer: a thousandth of the strongest direction kept.
            isHidden = isHidden || dropped - kept > -ScalarMath.log(1000 * Double(Float.ulpOfOne) * Double(image.columns))
            next = try LAPACK.qr(image.columns(leading).view).q
            r = Matrix(rows: leading.count, columns: image.columns)
            var view = r.mutableView
            BLAS.gemm(next.view, transposeA: true, image.view, into: &view)
        }
        // A row of R that begins below zero changes sign with its column of Q, so that D is positive.
        for (row, first) in leading.enumerated() where r[row, first] < 0 {
            for unit in 0..<next.rows { next[unit, row] = -next[unit, row] }
        }
        q = next
        absorb(r, leading)
    }

    /// D and U of R·D·U: row i of R, which begins in column leading[i], scaled so that it begins with one.
    private mutating func absorb(_ r: Matrix, _ leading: [Int]) {
        var factor = DoubleMatrix(rows: leading.count, columns: r.columns)
        for (row, first) in leading.enumerated() {
            factor[row, first] = 1
            for column in first + 1..<max(first + 1, r.columns) where r[row, column] != 0 {
                let growth = ScalarMath.exp(logarithms[column] - logarithms[first])
                factor[row, column] = Double(r[row, column]) / Double(r[row, first]) * growth
            }
        }
        unit = DoubleMatrix.product(factor, unit)
        logarithms = leading.enumerated().map { logarithms[$1] + ScalarMath.log(abs(Double(r[$0, $1]))) }
    }

    /// max(m, k)·ε times the largest column: what is smaller in R is a rounding error.
    private static func threshold(_ image: Matrix) -> Double {
        var squares = Array(repeating: 0.0, count: image.columns)
        var span = squares.mutableSpan
        VectorKernels.columnSumsOfSquares(image.view, into: &span)
        let largest = squares.reduce(0, max).squareRoot()
        return Double(max(image.rows, image.columns)) * Double(Float.ulpOfOne) * largest
    }

    /// The columns of R that do not depend on the ones before them, by modified Gram and Schmidt, twice, in float64. O(k³).
    ///
    /// The diagonal of R does not tell: once a column depends on others its reflection is arbitrary, and later columns lose by it.
    private static func independentColumns(_ r: Matrix, threshold: Double) -> [Int] {
        let columns = (0..<r.columns).map { column in (0..<r.rows).map { Double(r[$0, column]) } }
        var (basis, kept) = ([[Double]](), [Int]())
        for (index, column) in columns.enumerated() {
            var rest = column
            for _ in 0..<2 {
                for direction in basis {
                    let part = zip(direction, rest).reduce(0) { $0 + $1.0 * $1.1 }
                    for row in rest.indices { rest[row] -= part * direction[row] }
                }
            }
            let norm = rest.reduce(0) { $0 + $1 * $1 }.squareRoot()
            if norm <= threshold { continue }
            kept.append(index)
            basis.append(rest.map { $0 / norm })
        }
        return kept
    }

    /// ln σ₁(D·U); nil when float64 does not hold what is between.
    func largestLogarithm() -> Double? {
        if isHidden { return nil }
        let top = logarithms.reduce(-.infinity, max)
        var scaled = unit
        for row in 0..<rank {
            let factor = ScalarMath.exp(logarithms[row] - top)
            for column in 0..<unit.columns { scaled[row, column] *= factor }
        }
        return Self.logarithmOfNorm(scaled).map { $0 + top }
    }

    /// ln σ_min(D·U) for a square U: −ln σ₁(U⁻¹·D⁻¹).
    func smallestLogarithm() -> Double? {
        let bottom = logarithms.reduce(.infinity, min)
        var inverse = DoubleMatrix(rows: rank, columns: rank)
        for row in (0..<rank).reversed() {
            inverse[row, row] = ScalarMath.exp(bottom - logarithms[row])
            for inner in row + 1..<max(row + 1, rank) {
                let factor = unit[row, inner]
                if factor == 0 { continue }
                for column in inner..<rank { inverse[row, column] -= factor * inverse[inner, column] }
            }
        }
        return Self.logarithmOfNorm(inverse).map { bottom - $0 }
    }

    private static func logarithmOfNorm(_ a: DoubleMatrix) -> Double? {
        guard let largest = try? LAPACK.symmetricEigenvalues(a.smallerGram()).last, largest > 0 else { return nil }
        return ScalarMath.log(largest) / 2
    }
}
