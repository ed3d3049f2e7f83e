extension CurvatureReport {
    /// D16: tr H by Hutchinson's mean of zᵀHz, with its standard error from Var zᵀHz = 2(‖H‖_F² − Σ H_ii²) and E‖Hz‖² = ‖H‖_F², where
    /// no more is taken off for the diagonal than is sure. The spread of a few probes says far less: that of two is less than a third of
    /// the error one time in four. Oracle: dense Hessians.
    public var trace: Measured {
        let samples = layerTraces.map { traces in traces.keys.sorted().reduce(0) { $0 + (traces[$1] ?? 0) } }
        if samples.isEmpty { return .unavailable(missing) }
        let n = Double(samples.count)
        let diagonal = squaredDiagonal
        let sure = max(0, (diagonal.number ?? 0) - 2 * (diagonal.uncertainty ?? 0))
        let variance = 2 * max(0, squaredNorms.reduce(0, +) / n - sure)
        return .value(samples.reduce(0, +) / n, uncertainty: (variance / n).squareRoot())
    }

    /// D16: the trace of each layer's diagonal block, from the same products.
    public var tracesByLayer: [(layer: Int, trace: Measured)] {
        let layers = Set(layerTraces.flatMap(\.keys)).sorted()
        return layers.map { layer in
            let mean = Self.mean(layerTraces.map { $0[layer] ?? 0 })
            return (layer, mean ?? .unavailable("one probe has no standard error; take two or more"))
        }
    }

    /// D16: ‖H‖_F² = E‖Hz‖².
    public var squaredFrobeniusNorm: Measured {
        if squaredNorms.isEmpty { return .unavailable(missing) }
        return Self.mean(squaredNorms) ?? .unavailable("one probe has no standard error; take two or more")
    }

    /// D16: Σ H_ii² = E⟨z ∘ Hz, z′ ∘ Hz′⟩ over pairs of independent probes, with the jackknife's standard error. One probe with itself
    /// gives ‖H‖_F² instead.
    public var squaredDiagonal: Measured {
        let n = diagonalProducts.count
        if n == 0 { return .unavailable(missing) }
        if n < 3 { return .unavailable("\(n) probes have no standard error for pairs of them; take three or more") }
        var (total, rows) = (0.0, Array(repeating: 0.0, count: n))
        for p in 0..<n {
            for q in 0..<p {
                total += diagonalProducts[p][q]
                rows[p] += diagonalProducts[p][q]
                rows[q] += diagonalProducts[p][q]
            }
        }
        let mean = total / Double(n * (n - 1) / 2)
        let without = rows.map { (total - $0) / Double((n - 1) * (n - 2) / 2) }
        let centre = without.reduce(0, +) / Double(n)
        let spread = without.reduce(0) { $0 + ($1 - centre) * ($1 - centre) }
        return .value(mean, uncertainty: (spread * Double(n - 1) / Double(n)).squareRoot())
    }

    /// The mean of two or more samples with its standard error, widened as Student's distribution is at one standard deviation.
    private static func mean(_ samples: [Double]) -> Measured? {
        guard samples.count >= 2 else { return nil }
        let n = Double(samples.count)
        let mean = samples.reduce(0, +) / n
        let spread = samples.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        // Fisher's expansion of the quantile in 1/ν at z = 1: 1.81 for ν = 1, where the exact ratio is 1.84; 1.197 for ν = 3.
        let ν = n - 1
        let student = 1 + 1 / (2 * ν) + 1 / (4 * ν * ν) + 1 / (16 * ν * ν * ν)
        return .value(mean, uncertainty: student * (spread / (n * ν)).squareRoot())
    }
}
