import LinearAlgebra

/// D1, D3, D4 and D7 of one matrix [m, n]: its singular values and what follows from them.
///
/// Up to `completeUpTo` = min(m, n) all singular values are found; beyond, the largest ones by `GolubKahan`, each with its residual.
/// A convolution's kernel is a list of matrices of one shape, one for each place of the kernel; their singular values are taken together,
/// as weightwatcher does. Tier T1; O(m·n·min(m, n)). Total: every matrix gets values or reasons, never a crash or a plausible number.
/// Oracles: closed forms, SciPy's svdvals.
public struct MatrixSpectrum: Sendable {
    /// m.
    public let rows: Int
    /// n.
    public let columns: Int
    /// How many matrices the singular values are of.
    public let slices: Int
    /// How many singular values the matrices have, known or not.
    public var total: Int { min(rows, columns) * slices }
    /// Descending; empty when they cannot be had, as the other fields then say.
    public let singularValues: [Double]
    /// Within which each singular value is known.
    public let residuals: [Double]
    /// Whether all min(m, n)·slices singular values are here, or the largest ones only.
    public let isComplete: Bool
    /// σ₁.
    public let spectralNorm: Measured
    /// What the elements had been rounded to before they came here.
    public let precision: ElementPrecision
    /// Below which singular values can be made by that.
    let rounding: RoundingFloor
    /// σ_min; n/a when it is below `RoundingFloor.bound`, which rounding of the elements can make.
    public let smallestSingularValue: Measured
    /// ‖W‖_F, summed in float64.
    public let frobeniusNorm: Measured
    /// ‖W‖_F²/σ₁², between 1 and the rank.
    public let stableRank: Measured
    /// exp(−Σ p ln p), p = σ/Σσ (Roy and Vetterli, 2007).
    public let effectiveRank: Measured
    /// σ₁/σ_min; n/a where σ_min is.
    public let conditionNumber: Measured
    /// ‖WᵀW − I‖_F/√n, or of W·Wᵀ when that is smaller, in float64: 0 for an isometry.
    public let orthogonalityError: Measured
    /// ‖WᵀW − I‖₂, likewise: max |σ² − 1|.
    public let orthogonalityNorm: Measured

    /// Examines a matrix.
    public init(of w: MatrixView, completeUpTo: Int = 1024, precision: ElementPrecision = .float32) {
        let found = Self.find(w, completeUpTo, precision) { w throws(LAPACKError) in try SingularValueSolver.values(w) }
        self.init(found, rows: w.rows, columns: w.columns, slices: 1, precision)
    }

    /// Examines matrices of one shape as one spectrum; of several, which are the places of a convolution's kernel and small, all
    /// singular values are found.
    public init(ofAll slices: [Matrix], completeUpTo: Int = 1024, precision: ElementPrecision = .float32) {
        self.init(ofAll: slices, completeUpTo: completeUpTo, precision: precision) { w throws(LAPACKError) in
            try SingularValueSolver.values(w)
        }
    }

    /// - Parameter solve: finds all singular values of a finite matrix, descending.
    init(
        ofAll slices: [Matrix], completeUpTo: Int, precision: ElementPrecision,
        solve: (MatrixView) throws(LAPACKError) -> [Double]
    ) {
        var found = Found()
        for slice in slices {
            found.append(Self.find(slice.view, slices.count == 1 ? completeUpTo : .max, precision, solve))
        }
        self.init(found, rows: slices.first?.rows ?? 0, columns: slices.first?.columns ?? 0, slices: slices.count, precision)
    }

    private init(_ found: Found, rows: Int, columns: Int, slices: Int, _ precision: ElementPrecision) {
        (self.rows, self.columns, self.slices) = (rows, columns, slices)
        (self.precision, rounding) = (precision, found.rounding)
        let isEmpty = rows == 0 || columns == 0 || slices == 0
        let reason = isEmpty ? "the matrix is empty" : found.reason
        if let reason, isEmpty || !found.isFinite {
            frobeniusNorm = .unavailable(reason)
        } else {
            frobeniusNorm = .value(found.squares.squareRoot())
        }
        let order = found.values.indices.sorted { (found.values[$1], $0) < (found.values[$0], $1) }
        guard reason == nil, let first = order.first, let last = order.last else {
            let text = Measured.unavailable(reason ?? "the matrix is empty")
            (singularValues, residuals, isComplete) = ([], [], false)
            (spectralNorm, smallestSingularValue, stableRank, effectiveRank) = (text, text, text, text)
            (conditionNumber, orthogonalityError, orthogonalityNorm) = (text, text, text)
            return
        }
        singularValues = order.map { found.values[$0] }
        residuals = order.map { found.residuals[$0] }
        isComplete = found.isComplete
        let (largest, smallest) = (found.values[first], found.values[last])
        spectralNorm = .value(largest, uncertainty: found.residuals[first])
        let partial = Measured.unavailable("only the \(order.count) largest singular values are known")
        orthogonalityError = isComplete ? .value(Self.orthogonality(singularValues).frobenius) : partial
        orthogonalityNorm = isComplete ? .value(Self.orthogonality(singularValues).spectral) : partial
        if largest == 0 {
            let zero = Measured.unavailable("all elements are zero")
            (smallestSingularValue, stableRank, effectiveRank, conditionNumber) = (zero, zero, zero, zero)
            return
        }
        stableRank = .value(found.squares / (largest * largest))
        effectiveRank = isComplete ? .value(Self.effectiveRank(singularValues)) : partial
        if !isComplete {
            (smallestSingularValue, conditionNumber) = (partial, partial)
        } else if smallest < rounding.bound {
            let text =
                "rank deficient: the smallest singular value, \(smallest), is below what rounding the elements to \(precision.name) can make"
            (smallestSingularValue, conditionNumber) = (.unavailable(text), .unavailable(text))
        } else {
            smallestSingularValue = .value(smallest, uncertainty: found.residuals[last])
            conditionNumber = .value(largest / smallest)
        }
    }

    private static func orthogonality(_ values: [Double]) -> (frobenius: Double, spectral: Double) {
        var (sum, largest) = (0.0, 0.0)
        for value in values {
            let difference = abs(value * value - 1)
            sum += difference * difference
            largest = max(largest, difference)
        }
        return ((sum / Double(values.count)).squareRoot(), largest)
    }

    /// exp(−Σ p ln p) of p = σ/Σσ; values that are 0 count for nothing. At least one is not.
    static func effectiveRank(_ values: [Double]) -> Double {
        let sum = values.reduce(0, +)
        var entropy = 0.0
        for value in values where value > 0 {
            let p = value / sum
            entropy -= p * ScalarMath.log(p)
        }
        return ScalarMath.exp(entropy)
    }
}

extension MatrixSpectrum {
    /// What solving gave, before anything is derived from it.
    private struct Found {
        var values: [Double] = []
        var residuals: [Double] = []
        var squares = 0.0
        var rounding = RoundingFloor()
        var isFinite = true
        var isComplete = true
        var reason: String?

        mutating func append(_ other: Found) {
            values += other.values
            residuals += other.residuals
            squares += other.squares
            rounding.widen(to: other.rounding)
            isFinite = isFinite && other.isFinite
            isComplete = isComplete && other.isComplete
            reason = reason ?? other.reason
        }
    }

    /// Steps of Golub and Kahan's method, and how many of its values are kept.
    private static let (steps, leading) = (96, 32)

    private static func find(
        _ w: MatrixView, _ completeUpTo: Int, _ precision: ElementPrecision,
        _ solve: (MatrixView) throws(LAPACKError) -> [Double]
    ) -> Found {
        var found = Found(squares: VectorKernels.sumOfSquares(w.elements))
        if w.rows == 0 || w.columns == 0 { return found }
        if !VectorKernels.allFinite(w.elements) {
            found.isFinite = false
            found.reason = "the matrix holds NaN or infinity"
            return found
        }
        found.rounding = RoundingFloor(of: w, precision)
        found.isComplete = min(w.rows, w.columns) <= completeUpTo
        do {
            if found.isComplete {
                found.values = try solve(w)
                let error = Double(max(w.rows, w.columns)) * Double.ulpOfOne
                // That of the Gram matrix, at most √ of it; where that would matter it is gesdd's, which is less.
                found.residuals = found.values.map {
                    $0 > 0 ? min(error * found.squares / $0, error.squareRoot() * found.squares.squareRoot()) : 0
                }
            } else {
                let top = try GolubKahan(of: MatrixOperator(Matrix(w)), steps: steps)
                (found.values, found.residuals) = (Array(top.values.prefix(leading)), Array(top.residuals.prefix(leading)))
            }
        } catch {
            found.reason = "the singular values cannot be computed: \(error)"
        }
        return found
    }
}
