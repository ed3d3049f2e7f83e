import LinearAlgebra

/// D2: σ₁ of a matrix W between two bounds that hold whatever rounding did.
///
/// Lower: ‖W·v‖/‖v‖ for the v of a power iteration, the last product in float64. The vector can be kept and given back for the next
/// version of W, when a step or two are enough. Upper: six steps of Gram iteration G ← GᵀG in float64, σ₁² ≤ ‖G^(2⁶)‖_F^(2⁻⁶) (Delattre,
/// Barthélemy, Araujo and Allauzen, 2023), above σ₁ by a factor of at most n^(2⁻⁸): 1.03 for n = 1024.
/// Tier T1 (lower alone T0); O(m·n) a step, O(min(m, n)³) a Gram step. Oracle: gesdd.
public struct NormBracket: Hashable, Sendable {
    public let lower: Measured
    public let upper: Measured

    private static let (powerSteps, gramSteps) = (30, 6)

    /// Both bounds.
    public init(of w: MatrixView) {
        if let reason = Self.reason(against: w) {
            (lower, upper) = (.unavailable(reason), .unavailable(reason))
            return
        }
        var vector = Self.start(w.columns)
        lower = Self.lowerBound(of: w, from: &vector, steps: Self.powerSteps)
        upper = .value(Self.gramBound(w))
    }

    /// A direction to begin with, [columns].
    public static func start(_ columns: Int) -> AlignedVector {
        var vector = AlignedVector(count: columns)
        var elements = vector.mutableSpan
        CounterRNG(seed: 0, purpose: "norm-bracket").fillNormal(&elements, standardDeviation: 1)
        return vector
    }

    /// The lower bound after `steps` steps from `vector`, [columns], which then holds the direction to go on from.
    public static func lowerBound(of w: MatrixView, from vector: inout AlignedVector, steps: Int) -> Measured {
        if let reason = reason(against: w) { return .unavailable(reason) }
        precondition(vector.count == w.columns, "one element a column")
        var left = AlignedVector(count: w.rows)
        for _ in 0..<steps {
            var next = vector
            var u = left.mutableSpan
            BLAS.gemv(w, vector.span, into: &u)
            normalise(&u)
            var v = next.mutableSpan
            BLAS.gemv(w, transposed: true, u.span, into: &v)
            // W·v = 0: the direction before is as good as any.
            guard normalise(&v) else { break }
            vector = next
        }
        let norm = VectorKernels.sumOfSquares(vector.span).squareRoot()
        if norm == 0 { return .value(0) }
        var squares = 0.0
        for row in 0..<w.rows {
            let product = VectorKernels.dot(w.elements.extracting(row * w.columns..<(row + 1) * w.columns), vector.span)
            squares += product * product
        }
        let rounding = Double(w.rows + w.columns) * Double.ulpOfOne * VectorKernels.sumOfSquares(w.elements).squareRoot()
        return .value(max(0, squares.squareRoot() / norm - rounding))
    }

    /// √(‖W‖₁·‖W‖_∞) or ‖W‖_F, whichever is less: above σ₁ by up to √n, but of one pass. O(m·n).
    public static func quickUpperBound(of w: MatrixView) -> Measured {
        if let reason = reason(against: w) { return .unavailable(reason) }
        var (columnSums, largestRow) = (Array(repeating: 0.0, count: w.columns), 0.0)
        for row in 0..<w.rows {
            var sum = 0.0
            for column in 0..<w.columns {
                let magnitude = Double(abs(w.elements[row * w.columns + column]))
                sum += magnitude
                columnSums[column] += magnitude
            }
            largestRow = max(largestRow, sum)
        }
        let mixed = (largestRow * (columnSums.max() ?? 0)).squareRoot()
        let frobenius = VectorKernels.sumOfSquares(w.elements).squareRoot()
        return .value(min(mixed, frobenius) * (1 + Double(w.rows + w.columns) * Double.ulpOfOne))
    }

    private static func gramBound(_ w: MatrixView) -> Double {
        let squares = VectorKernels.sumOfSquares(w.elements)
        if squares == 0 { return 0 }
        let (size, length) = (min(w.rows, w.columns), max(w.rows, w.columns))
        var gram = DoubleMatrix.lowerGram(of: w).mirrored()
        let first = normalise(&gram)
        // ‖Ĝ‖₂² ≤ ‖fl(Ĝ²)‖₂ + γ for ‖Ĝ‖_F = 1; f holds the norms of what each step made.
        var f: [Double] = []
        for _ in 0..<gramSteps {
            gram = gram.columnGram()
            f.append(normalise(&gram))
        }
        let gamma = 4 * Double(size + 2) * Double.ulpOfOne
        var bound = 1 + gamma
        for norm in f.reversed() { bound = (norm * bound + gamma).squareRoot() }
        let rounding = 4 * Double(length + 2) * Double.ulpOfOne * squares
        return (first * bound + rounding).squareRoot() * (1 + gamma)
    }

    /// ‖G‖_F, by which G is divided.
    private static func normalise(_ gram: inout DoubleMatrix) -> Double {
        let scale = gram.elements.reduce(0) { max($0, abs($1)) }
        let norm = scale * gram.elements.reduce(0) { $0 + ($1 / scale) * ($1 / scale) }.squareRoot()
        for index in gram.elements.indices { gram.elements[index] /= norm }
        return norm
    }

    @discardableResult
    private static func normalise(_ x: inout MutableSpan<Float>) -> Bool {
        let norm = VectorKernels.sumOfSquares(x.span).squareRoot()
        if norm < Double(Float.leastNormalMagnitude) { return false }
        VectorKernels.scale(&x, by: Float(1 / norm))
        return true
    }

    private static func reason(against w: MatrixView) -> String? {
        if w.rows == 0 || w.columns == 0 { return "the matrix is empty" }
        return VectorKernels.allFinite(w.elements) ? nil : "the matrix holds NaN or infinity"
    }
}
