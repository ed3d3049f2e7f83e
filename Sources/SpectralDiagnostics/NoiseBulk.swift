/// D6: what of a spectrum a matrix of independent noise would explain, and what stands out of it.
///
/// The noise's variance is that whose Marchenko–Pastur law has the spectrum's median: σ̂² = median(λ)/(N·med). An eigenvalue is a spike when
/// it is above σ̂²(μ + q·τ) with μ = (√(N−1) + √M)² and τ = (√(N−1) + √M)(1/√(N−1) + 1/√M)^(1/3) (Johnstone, 2001), q the 1 − 0.01/k
/// quantile of the Tracy–Widom law for the k matrices that the spectrum is of: so that noise has a spike in one spectrum of a hundred,
/// of a kernel's many matrices too. λ = σ², not divided by N; N ≥ M.
/// Tier T1; O(M log M). Oracles: closed forms, drawn noise, planted spikes.
public struct NoiseBulk: Hashable, Sendable {
    /// σ̂, of one element.
    public let noiseDeviation: Measured
    /// λ₊ = σ̂²·N·(1 + √(M/N))², where the bulk ends.
    public let bulkEdge: Measured
    /// How many eigenvalues are above what noise reaches.
    public let spikes: Measured
    /// λ₊/λ_max: 1 for noise, near 0 where learned directions dwarf it.
    public let softRank: Measured

    /// Fits the bulk of a spectrum.
    ///
    /// - Parameters:
    ///   - singularValues: in any order, min(rows, columns) of each matrix.
    ///   - rows, columns: of one matrix.
    ///   - slices: k, how many matrices the values are of.
    ///   - floor: below which a singular value can be made by rounding the elements.
    ///   - elements: what they were rounded to, for reasons.
    public init(
        singularValues: [Double], rows: Int, columns: Int, slices: Int = 1, floor: Double = 0,
        elements: String = ElementPrecision.float32.name
    ) {
        if let reason = Self.reason(against: singularValues, floor: floor, elements) {
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
        let quantile = TracyWidom.upperQuantile(0.01 / Double(slices))
        let threshold = variance * ((n + m) * (n + m) + quantile * tau)
        let edge = variance * large * law.upperEdge
        self.init(
            noiseDeviation: .value(variance.squareRoot()), bulkEdge: .value(edge),
            spikes: .value(Double(eigenvalues.count { $0 > threshold })),
            softRank: .value(edge / eigenvalues[eigenvalues.count - 1]))
    }

    /// A bulk that cannot be had.
    init(unavailable reason: String) {
        let value = Measured.unavailable(reason)
        self.init(noiseDeviation: value, bulkEdge: value, spikes: value, softRank: value)
    }

    private init(noiseDeviation: Measured, bulkEdge: Measured, spikes: Measured, softRank: Measured) {
        (self.noiseDeviation, self.bulkEdge) = (noiseDeviation, bulkEdge)
        (self.spikes, self.softRank) = (spikes, softRank)
    }

    private static func reason(against singularValues: [Double], floor: Double, _ elements: String) -> String? {
        if singularValues.count < 20 {
            return "\(singularValues.count) eigenvalues are too few for a law of large matrices; 20 are needed"
        }
        if singularValues.contains(where: { !$0.isFinite }) { return "a singular value is not finite" }
        let largest = singularValues.reduce(0, max)
        if largest == 0 { return "all singular values are zero" }
        let least = max(floor, largest * Double(singularValues.count) * Double(Float.ulpOfOne))
        if singularValues.count(where: { $0 <= least }) * 2 >= singularValues.count {
            return "half of the singular values are zero or made by rounding the elements to \(elements): there is no bulk"
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
