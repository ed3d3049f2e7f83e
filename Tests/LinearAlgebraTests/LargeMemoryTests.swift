import Testing

@testable import LinearAlgebra

/// Vectors and matrices of 2 MiB and more, whose memory is no part of the heap.
@Suite("Large blocks of memory")
struct LargeMemoryTests {
    private static let megabyte = (1 << 20) / MemoryLayout<Float>.stride

    /// Vectors of several sizes come and go; what each was filled with must stay, and each must begin as zeros.
    private static func churn(seed: UInt64) -> [String] {
        var (kept, faults): ([(value: Float, vector: AlignedVector)], [String]) = ([], [])
        let generator = CounterRNG(seed: seed, purpose: "large blocks")
        var numbers = Array(repeating: UInt64(0), count: 400)
        do {
            var room = numbers.mutableSpan
            generator.fillBits(&room, fromBlock: 0)
        }
        for (step, number) in numbers.enumerated() {
            if kept.count >= 5 || (number & 1 == 0 && !kept.isEmpty) {
                let (value, vector) = kept.remove(at: Int(number >> 8) % kept.count)
                let last = vector.count - 1
                if ![0, last / 3, last].allSatisfy({ vector.span[$0] == value }) {
                    faults.append("step \(step): not what was stored")
                }
            } else {
                var vector = AlignedVector(count: (2 + Int(number >> 8) % 4) * megabyte + Int(number >> 16) % 1000)
                var elements = vector.mutableSpan
                for index in 0..<elements.count where elements[index] != 0 {
                    faults.append("step \(step): element \(index) is not zero")
                    break
                }
                let value = Float(step + 1) + Float(seed) / 16
                for index in 0..<elements.count { elements[index] = value }
                kept.append((value, vector))
            }
        }
        return faults
    }

    @Test("are zeroed when made and nobody else's while in use, given back or kept", arguments: [false, true])
    func isolated(keeps: Bool) async {
        if keeps { ProcessMemory.keepFreed() }
        let faults = await withTaskGroup(of: [String].self) { group in
            for seed in 0..<3 { group.addTask { Self.churn(seed: UInt64(seed)) } }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(faults.isEmpty, "\(faults.first ?? "")")
    }

    @Test("are copied on write")
    func copied() {
        var first = AlignedVector(count: 3 * Self.megabyte)
        do {
            var elements = first.mutableSpan
            elements[2 * Self.megabyte] = 7
        }
        var second = first
        var elements = second.mutableSpan
        #expect(elements[2 * Self.megabyte] == 7)
        elements[2 * Self.megabyte] = 8
        #expect(first.span[2 * Self.megabyte] == 7 && elements[2 * Self.megabyte] == 8)
    }
}
