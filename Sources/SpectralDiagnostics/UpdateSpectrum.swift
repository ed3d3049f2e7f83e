import LinearAlgebra

/// D8: the change ΔW of a matrix between two versions, beside the matrix before.
///
/// ‖ΔW‖₂/‖W‖₂ is the learning rate that a layer really has; it should not depend on the width (Yang, Simon and Bernstein, 2023).
/// From matrices everything is exact. From operators, as for layers that are never materialised, S(θ + Δ) − S(θ) is applied to vectors,
/// and eight steps of `GolubKahan` give ‖ΔW‖₂ and ‖W‖₂ with their residuals.
/// Tier T1, T0 with operators; O(m·n·min(m, n)), or 48 products. Oracle: an update of rank one.
public struct UpdateSpectrum: Sendable {
    /// ‖ΔW‖₂.
    public let spectralNorm: Measured
    /// ‖ΔW‖₂/‖W‖₂.
    public let relativeSpectralNorm: Measured
    /// ‖ΔW‖_F/‖W‖_F.
    public let relativeFrobeniusNorm: Measured
    /// exp(−Σ p ln p) of ΔW, p = σ/Σσ.
    public let effectiveRank: Measured
    /// ‖ΔW‖_F²/‖ΔW‖₂².
    public let stableRank: Measured
    /// Of ΔW, descending; those that are known.
    public let singularValues: [Double]

    /// Compares two matrices of one shape.
    public init(from before: MatrixView, to after: MatrixView, completeUpTo: Int = 1024) {
        self.init(from: [Matrix(before)], to: [Matrix(after)], completeUpTo: completeUpTo)
    }

    /// Compares two lists of matrices of one shape, one for each place of a convolution's kernel, or one.
    public init(from before: [Matrix], to after: [Matrix], completeUpTo: Int = 1024) {
        let changes = zip(before, after).map { old, new in
            precondition(old.rows == new.rows && old.columns == new.columns, "two versions of one matrix")
            var change = new
            var elements = change.mutableSpan
            VectorKernels.subtract(old.span, from: &elements)
            return change
        }
        self.init(
            of: MatrixSpectrum(ofAll: changes, completeUpTo: completeUpTo),
            from: MatrixSpectrum(ofAll: before, completeUpTo: completeUpTo))
    }

    /// An update that cannot be had.
    public init(unavailable reason: String) {
        let value = Measured.unavailable(reason)
        (spectralNorm, relativeSpectralNorm, relativeFrobeniusNorm) = (value, value, value)
        (effectiveRank, stableRank, singularValues) = (value, value, [])
    }

    /// From the spectra of ΔW and of W before.
    public init(of change: MatrixSpectrum, from before: MatrixSpectrum) {
        singularValues = change.singularValues
        spectralNorm = change.spectralNorm
        relativeSpectralNorm = Self.ratio(change.spectralNorm, before.spectralNorm)
        relativeFrobeniusNorm = Self.ratio(change.frobeniusNorm, before.frobeniusNorm)
        let nothing = change.spectralNorm.number == 0 ? Measured.unavailable("nothing changed") : nil
        (effectiveRank, stableRank) = (nothing ?? change.effectiveRank, nothing ?? change.stableRank)
    }

    /// Compares two operators of one shape; what needs elements is n/a.
    ///
    /// - Throws: what the operators throw, and `LAPACKError` when a product is not finite.
    public init(from before: some LinearOperator, to after: some LinearOperator, steps: Int = 8) throws {
        let change = try GolubKahan(of: OperatorDifference(after, minus: before), steps: steps)
        let size = try GolubKahan(of: before, steps: steps)
        singularValues = change.values
        spectralNorm = Self.top(change)
        relativeSpectralNorm = Self.ratio(spectralNorm, Self.top(size))
        let reason = Measured.unavailable("the operators are not materialised")
        (relativeFrobeniusNorm, effectiveRank, stableRank) = (reason, reason, reason)
    }

    /// What goes to the run's record.
    public func rows(layer: Int?) -> [DiagnosticRow] {
        [
            DiagnosticRow("D8", layer: layer, "update_spectral_norm", spectralNorm),
            DiagnosticRow("D8", layer: layer, "relative_update_spectral_norm", relativeSpectralNorm),
            DiagnosticRow("D8", layer: layer, "relative_update_frobenius_norm", relativeFrobeniusNorm),
            DiagnosticRow("D8", layer: layer, "update_effective_rank", effectiveRank),
            DiagnosticRow("D8", layer: layer, "update_stable_rank", stableRank),
        ]
    }

    private static func top(_ values: GolubKahan) -> Measured {
        if let value = values.values.first, let residual = values.residuals.first { return .value(value, uncertainty: residual) }
        return .unavailable("the operator is empty")
    }

    private static func ratio(_ change: Measured, _ size: Measured) -> Measured {
        guard let a = change.number else { return change }
        guard let b = size.number else { return size }
        if b == 0 { return .unavailable("all elements were zero before") }
        let uncertainty = (change.uncertainty ?? 0) / b + a / b * (size.uncertainty ?? 0) / b
        return .value(a / b, uncertainty: uncertainty)
    }
}

/// A − B of two operators of one shape, without either's matrix.
public struct OperatorDifference<A: LinearOperator, B: LinearOperator>: LinearOperator {
    private let a: A
    private let b: B

    public init(_ a: A, minus b: B) {
        precondition(a.rows == b.rows && a.columns == b.columns, "operators of one shape")
        (self.a, self.b) = (a, b)
    }

    public var rows: Int { a.rows }
    public var columns: Int { a.columns }

    public func apply(_ x: Span<Float>, into y: inout MutableSpan<Float>) throws {
        var other = AlignedVector(count: rows)
        do {
            var elements = other.mutableSpan
            try b.apply(x, into: &elements)
        }
        try a.apply(x, into: &y)
        VectorKernels.subtract(other.span, from: &y)
    }

    public func applyTransposed(_ x: Span<Float>, into y: inout MutableSpan<Float>) throws {
        var other = AlignedVector(count: columns)
        do {
            var elements = other.mutableSpan
            try b.applyTransposed(x, into: &elements)
        }
        try a.applyTransposed(x, into: &y)
        VectorKernels.subtract(other.span, from: &y)
    }
}
