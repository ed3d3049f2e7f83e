/// How closely a curvature matrix is looked at.
public struct CurvatureOptions: Codable, Hashable, Sendable {
    /// n_v, runs of Lanczos from random signs. One gives eigenvalues; errors of the trace take two, of Σ H_ii² three.
    public var probes: Int
    /// m, products a run at most.
    public var steps: Int
    /// Of the random signs.
    public var seed: UInt64
    /// ε‖v‖/‖θ‖ of the differences. Smaller ones drown in float32's rounding, larger ones see third derivatives.
    public var relativeStep: Double
    /// A run ends when the largest eigenvalue's estimated error is below this part of it; nil, and every run takes `steps`.
    public var tolerance: Double?

    public init(probes: Int = 8, steps: Int = 64, seed: UInt64 = 0, relativeStep: Double = 3e-3, tolerance: Double? = nil) {
        precondition(probes >= 1 && steps >= 1 && relativeStep > 0, "a run takes a step")
        (self.probes, self.steps, self.seed) = (probes, steps, seed)
        (self.relativeStep, self.tolerance) = (relativeStep, tolerance)
    }
}
