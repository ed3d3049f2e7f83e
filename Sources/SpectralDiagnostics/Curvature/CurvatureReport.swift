import LinearAlgebra
import StructuredLayers

/// What the runs of Lanczos say of a curvature matrix H, d × d, of the mean loss.
///
/// D14: its extreme eigenvalues. Their uncertainty is ‖Hy − θy‖, within which an eigenvalue lies, and the products' asymmetry, which
/// stands for the products' error. D15: that asymmetry. D16: traces, with a standard error. D17: the density. Tier T2.
public struct CurvatureReport: Hashable, Sendable {
    /// Which matrix H is.
    public let kind: CurvatureKind
    /// Whether it is P^(−½)·H·P^(−½), of the optimizer's P.
    public let isPreconditioned: Bool
    /// d.
    public let dimension: Int
    /// One a probe.
    public internal(set) var runs: [LanczosRun] = []
    public internal(set) var ritz: [RitzValues] = []
    /// Why there is no more; nil when all probes ran.
    public internal(set) var failure: String?
    /// The largest √Σ_i (⟨v_i, H·v_j⟩ − ⟨H·v_i, v_j⟩)².
    var asymmetry = 0.0
    /// ‖Hz‖² of each probe z, ‖z‖² = d.
    var squaredNorms: [Double] = []
    /// ⟨z_p ∘ Hz_p, z_q ∘ Hz_q⟩, q ≤ p.
    var diagonalProducts: [[Double]] = []
    /// Σ of z ∘ Hz over each layer, of each probe.
    var layerTraces: [[Int: Double]] = []

    init(_ options: CurvatureOptions, dimension: Int) {
        (kind, isPreconditioned) = (options.kind, options.isPreconditioned)
        self.dimension = dimension
    }

    mutating func append(_ run: LanczosRun) {
        runs.append(run)
        do { ritz.append(try run.ritz()) } catch { failure = "the tridiagonal matrix has no eigenvalues: \(error)" }
    }

    /// D17; nil without a run.
    public var density: SpectralDensity? { ritz.isEmpty ? nil : SpectralDensity(ritz) }

    /// Products with H.
    public var products: Int { runs.reduce(0) { $0 + $1.alphas.count } }

    /// D14: λ_max, the largest of all runs' Ritz values.
    public var largest: Measured {
        extreme {
            $0.values.count - 1
        } better: {
            $0 > $1
        }
    }

    /// D14: λ_min, most negative.
    public var smallest: Measured {
        extreme { _ in
            0
        } better: {
            $0 < $1
        }
    }

    private func extreme(_ place: (RitzValues) -> Int, better: (Double, Double) -> Bool) -> Measured {
        var best: (value: Double, residual: Double)?
        for run in ritz where !run.values.isEmpty {
            let index = place(run)
            if best.map({ better(run.values[index], $0.value) }) ?? true { best = (run.values[index], run.residuals[index]) }
        }
        return best.map { .value($0.value, uncertainty: $0.residual + asymmetry) } ?? .unavailable(missing)
    }

    /// D15: how far ⟨u, Hv⟩ and ⟨Hu, v⟩ are apart on the basis, over the largest |θ|: the products' relative error, where H is a Hessian.
    public var symmetryError: Measured {
        let scale = ritz.flatMap(\.values).reduce(0) { max($0, abs($1)) }
        if ritz.isEmpty { return .unavailable(missing) }
        return scale > 0 ? .value(asymmetry / scale) : .unavailable("the curvature matrix is zero")
    }

    var missing: String { failure ?? "no run of Lanczos is complete" }
}
