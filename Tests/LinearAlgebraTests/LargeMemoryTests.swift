import Testing

@testable import LinearAlgebra

/// Memory of 2 MiB and more, which is no part of the heap.
@Suite("Large blocks of memory")
struct LargeMemoryTests {
    private static let megabyte = (1 << 20) / MemoryLayout<Float>.stride
    private static let unit = LargeBlocks.smallest

    private static func numbers(seed: UInt64, count: Int) -> [Int] {
        var bits = Array(repeating: UInt64(0), count: count)
        var room = bits.mutableSpan
        CounterRNG(seed: seed, purpose: "large blocks").fillBits(&room, fromBlock: 0)
        return bits.map { Int($0 >> 8) }
    }

    /// A block with a mark in each of its units and at its end.
    @safe
    private struct Block: @unchecked Sendable {
        let memory: UnsafeMutableRawPointer
        let byteCount: Int
        let mark: UInt64

        private var places: [Int] { Array(stride(from: 0, to: byteCount - 8, by: LargeMemoryTests.unit)) + [byteCount - 8] }

        init(_ blocks: LargeBlocks, byteCount: Int, mark: UInt64, faults: inout [String]) {
            let isZeroed: Bool
            unsafe (memory, isZeroed) = blocks.allocate(byteCount: byteCount)
            (self.byteCount, self.mark) = (byteCount, mark)
            if unsafe UInt(bitPattern: memory) % UInt(LargeMemoryTests.unit) != 0 { faults.append("not on a boundary") }
            for place in places {
                if isZeroed, unsafe memory.loadUnaligned(fromByteOffset: place, as: UInt64.self) != 0 {
                    faults.append("not zeroed")
                }
                unsafe memory.storeBytes(of: mark, toByteOffset: place, as: UInt64.self)
            }
        }

        func free(_ blocks: LargeBlocks, faults: inout [String]) {
            for place in places where unsafe memory.loadUnaligned(fromByteOffset: place, as: UInt64.self) != mark {
                faults.append("block \(mark): not what was stored")
            }
            unsafe blocks.deallocate(memory, byteCount: byteCount)
        }
    }

    private static func churn(_ blocks: LargeBlocks, seed: UInt64) -> [String] {
        var (inUse, faults): ([Block], [String]) = ([], [])
        for (step, number) in numbers(seed: seed, count: 2000).enumerated() {
            if inUse.count >= 12 || (number & 1 == 0 && !inUse.isEmpty) {
                inUse.remove(at: (number >> 8) % inUse.count).free(blocks, faults: &faults)
            } else {
                let byteCount = (1 + (number >> 8) % 5) * unit - (number >> 16) % 3 * 1000
                inUse.append(Block(blocks, byteCount: byteCount, mark: seed << 32 + UInt64(step), faults: &faults))
            }
        }
        for block in inUse { block.free(blocks, faults: &faults) }
        return faults
    }

    @Test("are nobody else's while in use, given back or kept, and what is kept is bounded", arguments: [false, true])
    func isolated(keeps: Bool) async {
        let blocks = LargeBlocks()
        if keeps { blocks.keepFreed() }
        let faults = await withTaskGroup(of: [String].self) { group in
            for seed in 0..<3 { group.addTask { Self.churn(blocks, seed: UInt64(seed)) } }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(faults.isEmpty, "\(faults.first ?? "")")
        // At most 12 blocks of five units are in use on each thread.
        #expect(keeps ? (1...(180 * Self.unit + 64 << 20)).contains(blocks.held) : blocks.held == 0)
    }

    @Test("that fit nothing any more go back to the kernel")
    func bounded() {
        let blocks = LargeBlocks()
        blocks.keepFreed()
        // Of 200 units every second one is given back; larger blocks fit none of the gaps.
        let (whole, _) = unsafe blocks.allocate(byteCount: 200 * Self.unit)
        for index in stride(from: 0, to: 200, by: 2) { unsafe blocks.deallocate(whole + index * Self.unit, byteCount: Self.unit) }
        #expect(blocks.held == 200 * Self.unit)
        var larger: [UInt] = []
        for count in 1...50 {
            larger.append(unsafe UInt(bitPattern: blocks.allocate(byteCount: 2 * Self.unit).memory))
            // In use are 100 + 2·count at most, and there were 200.
            #expect(blocks.held <= 200 * Self.unit + 64 << 20, "\(count)")
        }
        for address in larger {
            guard let memory = unsafe UnsafeMutableRawPointer(bitPattern: address) else { continue }
            unsafe blocks.deallocate(memory, byteCount: 2 * Self.unit)
        }
        for index in stride(from: 1, to: 200, by: 2) { unsafe blocks.deallocate(whole + index * Self.unit, byteCount: Self.unit) }
        // All that is left is whole: what went back is no part of it.
        var faults: [String] = []
        Block(blocks, byteCount: 150 * Self.unit, mark: 7, faults: &faults).free(blocks, faults: &faults)
        #expect(faults.isEmpty && blocks.held <= 200 * Self.unit + 64 << 20)
    }

    @Test("that adjoin become one when both are free, which a larger block fits")
    func merged() {
        let blocks = LargeBlocks()
        blocks.keepFreed()
        let (whole, _) = unsafe blocks.allocate(byteCount: 8 * Self.unit)
        // Given back in parts, as eight blocks that happen to adjoin would be.
        for index in [3, 1, 2, 7, 0, 5, 4, 6] { unsafe blocks.deallocate(whole + index * Self.unit, byteCount: Self.unit) }
        let (again, isZeroed) = unsafe blocks.allocate(byteCount: 8 * Self.unit)
        #expect(unsafe again == whole && !isZeroed && blocks.held == 8 * Self.unit)
        unsafe blocks.deallocate(again, byteCount: 8 * Self.unit)
    }

    @Test("hold zeros when a vector begins, whoever had them before")
    func zeroed() {
        LargeBlocks.process.keepFreed()
        var isReused = false
        for step in 0..<40 {
            var vector = AlignedVector(count: (2 + step % 4) * Self.megabyte + step)
            let held = LargeBlocks.process.held
            do {
                var elements = vector.mutableSpan
                let isZeroed = (0..<elements.count).allSatisfy { elements[$0] == 0 }
                #expect(isZeroed, "step \(step)")
                for index in 0..<elements.count { elements[index] = 1 }
            }
            // A block that is reused adds nothing to what is held.
            vector = AlignedVector(count: 1)
            vector = AlignedVector(count: 2 * Self.megabyte)
            isReused = isReused || LargeBlocks.process.held == held
        }
        #expect(isReused)
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
