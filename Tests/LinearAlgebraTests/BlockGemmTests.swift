import LinearAlgebra
import Testing

/// An arrangement of blocks, with the place of an element by definition.
enum Arrangement: CaseIterable {
    case consecutive, interleaved, repeated

    func layout(_ count: Int, _ rows: Int, _ columns: Int) -> BlockLayout {
        switch self {
        case .consecutive: .consecutive(count: count, rows: rows, columns: columns)
        case .interleaved: .interleaved(count: count, rows: rows, columns: columns)
        case .repeated: .repeated(count: count, rows: rows, columns: columns)
        }
    }

    func place(_ layout: BlockLayout, _ block: Int, _ i: Int, _ j: Int) -> Int {
        switch self {
        case .consecutive: (block * layout.rows + i) * layout.columns + j
        case .interleaved: (i * layout.count + block) * layout.columns + j
        case .repeated: i * layout.columns + j
        }
    }
}

/// Random blocks in some arrangement, perhaps stored transposed.
struct RandomBlocks {
    let arrangement: Arrangement
    let transposed: Bool
    let layout: BlockLayout
    let elements: AlignedVector

    init(_ arrangement: Arrangement, transposed: Bool = false, count: Int, rows: Int, columns: Int, purpose: String) {
        (self.arrangement, self.transposed) = (arrangement, transposed)
        layout = transposed ? arrangement.layout(count, columns, rows) : arrangement.layout(count, rows, columns)
        var vector = AlignedVector(count: layout.elementCount)
        do {
            var span = vector.mutableSpan
            CounterRNG(seed: 6, purpose: purpose).fillNormal(&span, standardDeviation: 1)
        }
        elements = vector
    }

    subscript(block: Int, i: Int, j: Int) -> Double {
        Double(elements.span[transposed ? arrangement.place(layout, block, j, i) : arrangement.place(layout, block, i, j)])
    }
}

@Suite("Products of blocks")
struct BlockGemmTests {
    @Test(
        "equal the sums of their definition in every arrangement and transposition; a repeated result is the sum over the blocks",
        arguments: Arrangement.allCases, Arrangement.allCases)
    func definition(left: Arrangement, result: Arrangement) {
        for (count, m, n, k) in [(1, 1, 1, 1), (3, 4, 5, 2), (2, 17, 33, 16)] {
            for right in Arrangement.allCases {
                for transposed in [(false, false), (true, false), (false, true), (true, true)] {
                    let a = RandomBlocks(left, transposed: transposed.0, count: count, rows: m, columns: k, purpose: "a")
                    let b = RandomBlocks(right, transposed: transposed.1, count: count, rows: k, columns: n, purpose: "b")
                    Self.check(a, b, result, m, n, k)
                }
            }
        }
    }

    static func check(_ a: RandomBlocks, _ b: RandomBlocks, _ result: Arrangement, _ m: Int, _ n: Int, _ k: Int) {
        let count = a.layout.count
        let before = RandomBlocks(result, count: count, rows: m, columns: n, purpose: "what was there before")
        let layout = before.layout
        var c = before.elements
        do {
            var view = MutableBlockView(c.mutableSpan, layout)
            BLAS.gemm(
                BlockView(a.elements.span, a.layout), transposeA: a.transposed, BlockView(b.elements.span, b.layout),
                transposeB: b.transposed, into: &view)
        }
        var exact = Array(repeating: 0.0, count: layout.elementCount)
        for block in 0..<count {
            for i in 0..<m {
                for j in 0..<n {
                    exact[result.place(layout, block, i, j)] += (0..<k).reduce(0) { $0 + a[block, i, $1] * b[block, $1, j] }
                }
            }
        }
        // Sums of up to 48 products of normals in float32.
        for index in exact.indices { #expect(abs(Double(c.span[index]) - exact[index]) < 1e-4) }
    }
}
