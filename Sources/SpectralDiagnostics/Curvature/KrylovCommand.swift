/// What the conductor asks of every shard. Every command is answered with one `ChunkSums` for each of the shard's chunks.
public enum KrylovCommand: Codable, Hashable, Sendable {
    /// Answers ‖θ‖². Preconditioned products are those with P^(−½)·H·P^(−½), of the optimizer's P that the shard then knows.
    case measure(preconditioned: Bool)
    /// Begins a basis with ±`amplitude`, the signs of element i being a function of (seed, probe, i); its last vector is what the matrix
    /// is multiplied by next. Answers nothing.
    case begin(seed: UInt64, probe: Int, amplitude: Double)
    /// w ← scale·(the product taken). Answers w's products with the last two vectors of the basis, or the only one, and ‖w‖².
    case project(scale: Double)
    /// From the start vector z/√d and w = H·z/√d of a run's first product: keeps s = z ∘ Hz. Answers ⟨s, s_q⟩ with the s of every run so
    /// far, this one last, and Σ s over each layer of the chunk.
    case observeDiagonal(dimension: Int)
    /// w ← w − V·coefficients, of the last vectors. Answers w's products with the last two vectors, or with all of them, in their order, and
    /// ‖w‖²; where all are taken, the last vector's products with those before it too.
    case orthogonalise(coefficients: [Double], takingAll: Bool)
    /// Appends scale·(w − V·c) to the basis, whose last vector it becomes, after taking V·d from what was its last; `coefficients` are
    /// [c, d], c of the last vectors and d of those before the last, each empty for nothing to subtract. Answers nothing.
    case extend(coefficients: [[Double]], scale: Double)
}

/// The partial results of one chunk.
public struct ChunkSums: Hashable, Sendable {
    /// The chunk's index.
    public var chunk: Int
    /// In the order that the command states.
    public var values: [Double]
    /// Of `observeDiagonal` alone: the layers whose sums are the last `layers.count` of `values`.
    public var layers: [Int]

    public init(chunk: Int, values: [Double] = [], layers: [Int] = []) {
        (self.chunk, self.values, self.layers) = (chunk, values, layers)
    }
}

/// The numbers travel as their bits: JSON has none for NaN and infinity, which the conductor must hear of.
extension ChunkSums: Codable {
    private enum CodingKeys: String, CodingKey { case chunk, bits, layers }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        chunk = try container.decode(Int.self, forKey: .chunk)
        values = try container.decode([UInt64].self, forKey: .bits).map { Double(bitPattern: $0) }
        layers = try container.decode([Int].self, forKey: .layers)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(chunk, forKey: .chunk)
        try container.encode(values.map(\.bitPattern), forKey: .bits)
        try container.encode(layers, forKey: .layers)
    }
}
