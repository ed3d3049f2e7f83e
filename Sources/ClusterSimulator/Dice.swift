import LinearAlgebra

/// Random draws in turn, from a seed and a purpose.
struct Dice {
    private let generator: CounterRNG
    private var count: UInt64 = 0

    init(seed: UInt64, purpose: String) { generator = CounterRNG(seed: seed, purpose: purpose) }

    mutating func bits() -> UInt64 {
        count += 1
        return generator.bits(count)
    }

    /// 0 ..< bound.
    mutating func below(_ bound: Int) -> Int { Int(bits() >> 1) % max(1, bound) }

    mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    mutating func chance(_ probability: Double) -> Bool { probability > 0 && Double(bits() >> 11) * 0x1p-53 < probability }
}
