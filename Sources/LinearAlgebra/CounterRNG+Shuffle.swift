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

    /// 64 bits at a time, in turn.
    private struct Draws {
        private let generator: CounterRNG
        private var numbers = Array(repeating: UInt64(0), count: 256)
        private var used = 256
        private var block: UInt64 = 0

        init(_ generator: CounterRNG) { self.generator = generator }

        /// Uniform below `bound` without bias (Lemire 2019).
        mutating func below(_ bound: UInt64) -> UInt64 {
            while true {
                let product = bits().multipliedFullWidth(by: bound)
                if product.low >= bound || product.low >= (0 &- bound) % bound { return product.high }
            }
        }

        private mutating func bits() -> UInt64 {
            if used == numbers.count {
                let (generator, first) = (generator, block)
                block += UInt64(numbers.count / 2)
                used = 0
                var room = numbers.mutableSpan
                generator.fillBits(&room, fromBlock: first)
            }
            used += 1
            return numbers[used - 1]
        }
    }
}
