import StructuredLayers

/// Which curvature matrix is looked at, and how closely.
public struct CurvatureOptions: Codable, Hashable, Sendable {
    /// The matrix.
    public var kind: CurvatureKind
    /// Whether it is looked at as the optimizer sees it, P^(−½)·H·P^(−½) with the eigenvalues of P⁻¹·H, where its steps are η·P⁻¹·g.
    public var isPreconditioned: Bool
    /// n_v, runs of Lanczos from random signs. One gives eigenvalues; errors of the trace take two, of Σ H_ii² three.
    public var probes: Int
    /// m, products a run at most.
    public var steps: Int
    /// Of the random signs.
    public var seed: UInt64
    /// ε‖v‖/‖θ‖ of differences, where products are not exact. Smaller ones drown in float32's rounding, larger ones see third derivatives: on the networks of
    /// golden/curvature.txt λ_max errs by 4e-5 of itself at 3e-4, 2e-5 at 1e-3, 2e-4 at 3e-3 and 2e-3 at 1e-2; with 1.0 M parameters products are
    /// symmetric to 2e-5, 1e-4 and 9e-4 of λ_max at the first three.
    public var relativeStep: Double
    /// A run ends when the largest eigenvalue's estimated error is below this part of it; nil, and every run takes `steps`.
    public var tolerance: Double?

    public init(
        _ kind: CurvatureKind = .hessian, preconditioned: Bool = false, probes: Int = 8, steps: Int = 64, seed: UInt64 = 0,
        relativeStep: Double = 3e-4,
        tolerance: Double? = nil
    ) {
        precondition(probes >= 1 && steps >= 1 && relativeStep > 0, "a run takes a step")
        (self.kind, isPreconditioned) = (kind, preconditioned)
        (self.probes, self.steps, self.seed) = (probes, steps, seed)
        (self.relativeStep, self.tolerance) = (relativeStep, tolerance)
    }
}
