import CVectorKernels

extension CounterRNG {
    /// Puts the elements in a random order, every one equally likely (Fisher and Yates). O(count).
    public func shuffle(_ elements: inout MutableSpan<Float>) {
        unsafe elements.withUnsafeMutableBufferPointer { to in
            guard let base = to.baseAddress else { return }
            var draws = Draws(self)
            var partners = Array(repeating: 0, count: 256)
            var last = to.count - 1
            // Draws first, then exchanges: so that the processor waits for many elements from far away at a time.
            while last > 0 {
                let count = min(last, partners.count)
                draws.partners(below: last + 1, count, into: &partners)
                unsafe plumb_exchange(base, last, partners, count)
                last -= count
            }
        }
    }

    /// Random numbers of 64 bits, in turn.
    private struct Draws {
        private let generator: CounterRNG
        private var numbers = Array(repeating: UInt64(0), count: 256)
        private var used = 256
        private var block: UInt64 = 0

        init(_ generator: CounterRNG) { self.generator = generator }

        /// The i-th below `bound` − i, for i < `count`.
        mutating func partners(below bound: Int, _ count: Int, into partners: inout [Int]) {
            var done = 0
            while done < count {
                if used == numbers.count {
                    let (generator, first) = (generator, block)
                    block += UInt64(numbers.count / 2)
                    used = 0
                    var room = numbers.mutableSpan
                    generator.fillBits(&room, fromBlock: first)
                }
                var next = used
                unsafe partners.withUnsafeMutableBufferPointer { to in
                    guard let base = to.baseAddress else { return }
                    done += unsafe plumb_draw_partners(
                        numbers, numbers.count, &next, UInt64(bound - done), base + done, count - done)
                }
                used = next
            }
        }
    }
}
