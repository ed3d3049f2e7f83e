import LinearAlgebra

/// D8: the change ΔW of a matrix between two versions, beside the matrix before.
///
/// ‖ΔW‖₂/‖W‖₂ is the learning rate that a layer really has; it should not depend on the width (Yang, Simon and Bernstein, 2023).
/// Tier T1; O(m·n·min(m, n)), the spectrum of ΔW. Oracle: an update of rank one.
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

    private static func ratio(_ change: Measured, _ size: Measured) -> Measured {
        guard let a = change.number else { return change }
        guard let b = size.number else { return size }
        if b == 0 { return .unavailable("all elements were zero before") }
        let uncertainty = (change.uncertainty ?? 0) / b + a / b * (size.uncertainty ?? 0) / b
        return .value(a / b, uncertainty: uncertainty)
    }
}
