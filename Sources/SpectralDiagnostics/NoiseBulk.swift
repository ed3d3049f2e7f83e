/// D6: what of a spectrum a matrix of independent noise would explain, and what stands out of it.
///
/// The noise's variance is that whose Marchenko–Pastur law has the spectrum's median: σ̂² = median(λ)/(N·med). An eigenvalue is a spike when
/// it is above the 99 % quantile of the largest eigenvalue of such noise, σ̂²(μ + 2.0234·τ) with μ = (√(N−1) + √M)² and
/// τ = (√(N−1) + √M)(1/√(N−1) + 1/√M)^(1/3) (Johnstone, 2001). λ = σ², not divided by N; N ≥ M.
/// Tier T1; O(M log M). Oracles: closed forms, drawn noise, planted spikes.
public struct NoiseBulk: Hashable, Sendable {
    /// σ̂, of one element.
    public let noiseDeviation: Measured
    /// λ₊ = σ̂²·N·(1 + √(M/N))², where the bulk ends.
    public let bulkEdge: Measured
    /// What an eigenvalue must exceed to be a spike.
    public let spikeThreshold: Measured
    /// How many do.
    public let spikes: Measured
    /// λ₊/λ_max: 1 for noise, near 0 where learned directions dwarf it.
    public let softRank: Measured

    /// Fits the bulk of a matrix's spectrum; `singularValues` in any order, min(rows, columns) of them.
    public init(singularValues: [Double], rows: Int, columns: Int) {
        if let reason = Self.reason(against: singularValues) {
            self.init(unavailable: reason)
            return
        }
        let eigenvalues = singularValues.map { $0 * $0 }.sorted()
        let (large, small) = (Double(max(rows, columns)), Double(min(rows, columns)))
        let law = MarchenkoPastur(rows: rows, columns: columns)
        let middle = eigenvalues.count / 2
        let median =
            eigenvalues.count.isMultiple(of: 2) ? (eigenvalues[middle - 1] + eigenvalues[middle]) / 2 : eigenvalues[middle]
        let variance = median / (large * law.median)
        let (n, m) = ((large - 1).squareRoot(), small.squareRoot())
        let tau = (n + m) * Self.cubeRoot(1 / n + 1 / m)
        let threshold = variance * ((n + m) * (n + m) + Self.quantile99 * tau)
        let edge = variance * large * law.upperEdge
        self.init(
            noiseDeviation: .value(variance.squareRoot()), bulkEdge: .value(edge), spikeThreshold: .value(threshold),
            spikes: .value(Double(eigenvalues.count { $0 > threshold })),
            softRank: .value(edge / eigenvalues[eigenvalues.count - 1]))
    }

    /// A bulk that cannot be had.
    init(unavailable reason: String) {
        let value = Measured.unavailable(reason)
        self.init(noiseDeviation: value, bulkEdge: value, spikeThreshold: value, spikes: value, softRank: value)
    }

    private init(noiseDeviation: Measured, bulkEdge: Measured, spikeThreshold: Measured, spikes: Measured, softRank: Measured) {
        (self.noiseDeviation, self.bulkEdge, self.spikeThreshold) = (noiseDeviation, bulkEdge, spikeThreshold)
        (self.spikes, self.softRank) = (spikes, softRank)
    }

    /// The 99 % quantile of the Tracy–Widom law for real matrices.
    private static let quantile99 = 2.0234

    private static func reason(against singularValues: [Double]) -> String? {
        if singularValues.count < 20 {
            return
                "\(singularValues.count) \(singularValues.count == 1 ? "eigenvalue is" : "eigenvalues are") too few for a law of large matrices; 20 are needed"
        }
        if singularValues.contains(where: { !$0.isFinite }) { return "a singular value is not finite" }
        let largest = singularValues.reduce(0, max)
        if largest == 0 { return "all singular values are zero" }
        let floor = largest * Double(singularValues.count) * Double(Float.ulpOfOne)
        if singularValues.count(where: { $0 <= floor }) * 2 >= singularValues.count {
            return "half of the singular values are zero: there is no bulk"
        }
        return singularValues.allSatisfy { $0 >= largest * (1 - 1e-4) } ? "all singular values are equal: there is no bulk" : nil
    }

    /// By Newton's iteration, for 0 < x ≤ 2.
    private static func cubeRoot(_ x: Double) -> Double {
        var root = 1.0
        for _ in 0..<60 { root -= (root * root * root - x) / (3 * root * root) }
        return root
    }
}
