import LinearAlgebra

/// What a shard holds of one chunk. Vectors are padded to whole tiles; elements that belong to no piece are always zero.
struct ChunkVectors: Sendable {
    let chunk: KrylovChunk
    /// Ranges of the pieces within the chunk.
    private let pieces: [Range<Int>]
    private var parameters: AlignedVector
    private var basis: KrylovBasis
    /// S of S·H·S; the identity without it.
    private var scaling: AlignedVector?
    /// w.
    private var work: AlignedVector
    /// z ∘ Hz of each run.
    private var diagonals: [AlignedVector] = []

    init(_ chunk: KrylovChunk) {
        self.chunk = chunk
        let start = chunk.range.lowerBound
        pieces = chunk.pieces.map { $0.range.lowerBound - start..<$0.range.upperBound - start }
        let length = KrylovBasis.padded(chunk.range.count)
        parameters = AlignedVector(count: chunk.range.count)
        basis = KrylovBasis(elements: chunk.range.count)
        work = AlignedVector(count: length)
    }

    mutating func setParameters(_ values: Span<Float>) {
        var target = parameters.mutableSpan
        VectorKernels.copy(values, into: &target)
    }

    mutating func setScaling(_ values: AlignedVector) {
        precondition(values.count == chunk.range.count, "a factor for every element of the chunk")
        scaling = values
    }

    func copyDirection(into target: inout MutableSpan<Float>) {
        VectorKernels.copy(basis.last.span.extracting(0..<chunk.range.count), into: &target)
        if let scaling { VectorKernels.multiply(&target, by: scaling.span) }
    }

    mutating func takeProduct(_ product: Span<Float>) {
        precondition(product.count == chunk.range.count, "a product of the chunk's size")
        let (pieces, scaling) = (pieces, scaling)
        var w = work.mutableSpan
        for piece in pieces {
            var part = w.part(piece)
            VectorKernels.copy(product.extracting(piece), into: &part)
            if let scaling { VectorKernels.multiply(&part, by: scaling.span.extracting(piece)) }
        }
    }

    mutating func execute(_ command: KrylovCommand) -> ChunkSums {
        var (values, layers): ([Double], [Int]) = ([], [])
        switch command {
        case .measure: values = [pieces.reduce(0) { $0 + VectorKernels.sumOfSquares(parameters.span.extracting($1)) }]
        case .begin(let seed, let probe, let amplitude): begin(seed, probe, Float(amplitude))
        case .project(let scale):
            scaleWork(by: Float(scale))
            values = basis.sweep(&work, subtracting: [], takingAll: false)
        case .observeDiagonal(let dimension): (values, layers) = observeDiagonal(Float(dimension))
        case .orthogonalise(let coefficients, let takesAll):
            values = basis.sweep(&work, subtracting: coefficients, takingAll: takesAll)
        case .extend(let coefficients, let scale): extend(coefficients[0], coefficients[1], Float(scale))
        }
        return ChunkSums(chunk: chunk.index, values: values, layers: layers)
    }

    private mutating func begin(_ seed: UInt64, _ probe: Int, _ amplitude: Float) {
        basis.removeAll()
        if probe == 0 { diagonals = [] }
        let generator = CounterRNG(seed: seed, purpose: "rademacher", index: UInt64(probe))
        basis.append(Self.signs(chunk, generator, amplitude))
    }

    /// Element i takes bit i mod 64 of word i / 64, i counting the whole flat vector.
    private static func signs(_ chunk: KrylovChunk, _ generator: CounterRNG, _ amplitude: Float) -> AlignedVector {
        var vector = AlignedVector(count: KrylovBasis.padded(chunk.range.count))
        var v = vector.mutableSpan
        for piece in chunk.pieces {
            var (word, bits) = (UInt64.max, UInt64(0))
            for element in piece.range {
                if UInt64(element / 64) != word {
                    word = UInt64(element / 64)
                    bits = generator.bits(word)
                }
                v[element - chunk.range.lowerBound] = bits >> UInt64(element % 64) & 1 == 0 ? amplitude : -amplitude
            }
        }
        return vector
    }

    private mutating func scaleWork(by factor: Float) {
        var w = work.mutableSpan
        VectorKernels.scale(&w, by: factor)
    }

    private mutating func observeDiagonal(_ dimension: Float) -> (values: [Double], layers: [Int]) {
        var observed = basis.last
        do {
            let work = work
            var s = observed.mutableSpan
            VectorKernels.multiply(&s, by: work.span)
            VectorKernels.scale(&s, by: dimension)
        }
        diagonals.append(observed)
        let products = diagonals.map { VectorKernels.dot($0.span, observed.span) }
        let (layers, sums) = sumsByLayer(observed)
        return (products + sums, layers)
    }

    private func sumsByLayer(_ vector: AlignedVector) -> (layers: [Int], sums: [Double]) {
        var (layers, sums): ([Int], [Double]) = ([], [])
        for (piece, range) in zip(chunk.pieces, pieces) {
            if layers.last != piece.layer {
                layers.append(piece.layer)
                sums.append(0)
            }
            var total = 0.0
            let elements = vector.span.extracting(range)
            for i in elements.indices { total += Double(elements[i]) }
            sums[sums.count - 1] += total
        }
        return (layers, sums)
    }

    private mutating func extend(_ coefficients: [Double], _ before: [Double], _ scale: Float) {
        basis.subtract(coefficients, from: &work, andFromLast: before)
        var next = work
        do {
            var v = next.mutableSpan
            VectorKernels.scale(&v, by: scale)
        }
        basis.append(next)
    }
}
