extension CounterRNG {
    /// Puts the elements in a random order, every one equally likely (Fisher and Yates). O(count).
    public func shuffle(_ elements: inout MutableSpan<Float>) {
        var draws = Draws(self)
        var partners = Array(repeating: 0, count: 256)
        var last = elements.count - 1
        // Draws first, then exchanges: so that the processor waits for many elements from far away at a time.
        while last > 0 {
            let count = min(last, partners.count)
            for step in 0..<count { partners[step] = Int(draws.below(UInt64(last - step + 1))) }
            for step in 0..<count { elements.swapAt(last - step, partners[step]) }
            last -= count
        }
    }

    /// 64 bits at a time, in turn; each block of the generator is made once.
    private struct Draws {
        private let generator: CounterRNG
        private var next: UInt64 = 0
        private var spare: UInt64?

        init(_ generator: CounterRNG) { self.generator = generator }

        /// Uniform below `bound` without bias (Lemire 2019).
        mutating func below(_ bound: UInt64) -> UInt64 {
            while true {
                let product = bits().multipliedFullWidth(by: bound)
                if product.low >= bound || product.low >= (0 &- bound) % bound { return product.high }
            }
        }

        private mutating func bits() -> UInt64 {
            if let spare {
                self.spare = nil
                return spare
            }
            let (a, b, c, d) = generator.block(next)
            next += 1
            spare = UInt64(d) << 32 | UInt64(c)
            return UInt64(b) << 32 | UInt64(a)
        }
    }
}
