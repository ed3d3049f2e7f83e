/// How far a Lanczos basis is from orthogonal, by the recurrence that its overlaps obey (Simon, 1984, eq. 2.12), from T and the products'
/// noise alone: no vector is read.
///
/// With ω_{j,i} = ⟨v_j, v_i⟩ and β the next vector's length before it is scaled,
/// β·ω_{j+1,i} = β_i·ω_{j,i+1} + (α_i − α_j)·ω_{j,i} + β_{i−1}·ω_{j,i−1} − β_{j−1}·ω_{j−1,i} ± noise. O(steps) a step.
struct OrthogonalityEstimate: Hashable, Sendable {
    /// What orthogonalising in float32 leaves.
    static let rounding = 0x1p-24

    /// ω_{j−1,i}, i < j − 1, and ω_{j,i}, i < j.
    private var last: [Double] = []
    private var present: [Double] = []

    /// ω_{j+1,i}, i ≤ j, of the vector that follows; its overlaps with v_j and v_{j−1}, which are subtracted always, are rounding's.
    ///
    /// `alphas: [j + 1]`, `betas: [j]`, `noise`: what a product with the matrix errs by along one vector.
    func next(alphas: [Double], betas: [Double], beta: Double, noise: Double) -> [Double] {
        let j = alphas.count - 1
        var result = Array(repeating: Self.rounding, count: j + 1)
        if j < 2 { return result }
        for i in 0..<j - 1 {
            let above = betas[i] * present[i + 1]
            let below = i > 0 ? betas[i - 1] * present[i - 1] : 0
            let sum = above + (alphas[i] - alphas[j]) * present[i] + below - betas[j - 1] * last[i]
            // Taken for the worst: of the sum's sign.
            result[i] = (sum + (sum < 0 ? -noise : noise)) / beta
        }
        return result
    }

    /// The last vector is orthogonal to those before it but for rounding.
    mutating func clear() { present = present.map { _ in Self.rounding } }

    /// The next vector has joined the basis with these overlaps.
    mutating func append(_ overlaps: [Double]) { (last, present) = (present, overlaps) }
}
