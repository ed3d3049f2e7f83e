import CVectorKernels

/// Philox 4×32-10 (Salmon et al., SC 2011): random numbers by number, not in turn.
///
/// A generator is a key and a stream; block `i` is a function of (seed, purpose, index, i), so any process can draw any number.
public struct CounterRNG: Sendable {
    private let key: (UInt32, UInt32)
    private let stream: UInt64

    /// The generator of `seed` for one purpose, such as `"order"`; `index` tells apart several streams of a purpose.
    public init(seed: UInt64, purpose: String, index: UInt64 = 0) {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in purpose.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        for shift in stride(from: 0, to: 64, by: 8) { hash = (hash ^ (index >> UInt64(shift) & 255)) &* 0x100_0000_01B3 }
        key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        stream = hash
    }

    /// The ten rounds.
    static func philox(counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32)) -> (UInt32, UInt32, UInt32, UInt32) {
        var (a, b, c, d) = counter
        var (k0, k1) = key
        for _ in 0..<10 {
            let left = UInt64(a) * 0xD251_1F53
            let right = UInt64(c) * 0xCD9E_8D57
            (a, b, c, d) = (
                UInt32(truncatingIfNeeded: right >> 32) ^ b ^ k0, UInt32(truncatingIfNeeded: right),
                UInt32(truncatingIfNeeded: left >> 32) ^ d ^ k1, UInt32(truncatingIfNeeded: left)
            )
            (k0, k1) = (k0 &+ 0x9E37_79B9, k1 &+ 0xBB67_AE85)
        }
        return (a, b, c, d)
    }

    /// 128 random bits, by number.
    public func block(_ counter: UInt64) -> (UInt32, UInt32, UInt32, UInt32) {
        Self.philox(
            counter: (
                UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), UInt32(truncatingIfNeeded: stream),
                UInt32(truncatingIfNeeded: stream >> 32)
            ), key: key)
    }

    /// 64 random bits, by number; two to a block.
    public func bits(_ counter: UInt64) -> UInt64 {
        let (a, b, c, d) = block(counter >> 1)
        return counter & 1 == 0 ? UInt64(b) << 32 | UInt64(a) : UInt64(d) << 32 | UInt64(c)
    }

    /// Fills with `bits` from number 2·block on, in a third of the time.
    func fillBits(_ target: inout MutableSpan<UInt64>, fromBlock block: UInt64) {
        let packed = UInt64(key.1) << 32 | UInt64(key.0)
        unsafe target.withUnsafeMutableBufferPointer { to in
            guard let base = to.baseAddress else { return }
            unsafe VectorKernels.kernels.philox(base, to.count, block, stream, packed)
        }
    }

    /// Uniform in (0, 1), by number.
    public func uniform(_ counter: UInt64) -> Double { (Double(bits(counter) >> 12) + 0.5) * 0x1p-52 }

    /// Standard normal, by number, by the inverse of the distribution function.
    public func normal(_ counter: UInt64) -> Double { NormalQuantile.value(uniform(counter)) }

    /// Fills with normals of mean 0, element i from number i.
    public func fillNormal(_ target: inout MutableSpan<Float>, standardDeviation: Float) {
        for index in target.indices { target[index] = Float(normal(UInt64(index)) * Double(standardDeviation)) }
    }

    /// Fills with uniforms from `lower` to `upper`, element i from number i.
    public func fillUniform(_ target: inout MutableSpan<Float>, lower: Float, upper: Float) {
        let (from, width) = (Double(lower), Double(upper) - Double(lower))
        for index in target.indices { target[index] = Float(from + uniform(UInt64(index)) * width) }
    }

    /// A permutation of 0 ..< count (Fisher and Yates), every one equally likely. O(count).
    public func permutation(count: Int) -> [Int32] {
        var order: [Int32] = []
        writePermutation(count: count, into: &order)
        return order
    }

    /// The same in place of what `order` holds, in its memory if that suffices.
    public func writePermutation(count: Int, into order: inout [Int32]) {
        order.removeAll(keepingCapacity: true)
        order.append(contentsOf: 0..<Int32(count))
        var counter: UInt64 = 0
        for last in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(last, Int(below(UInt64(last + 1), &counter)))
        }
    }

    /// Uniform below `bound` without bias (Lemire 2019).
    private func below(_ bound: UInt64, _ counter: inout UInt64) -> UInt64 {
        while true {
            let product = bits(counter).multipliedFullWidth(by: bound)
            counter += 1
            if product.low >= (0 &- bound) % bound { return product.high }
        }
    }
}
