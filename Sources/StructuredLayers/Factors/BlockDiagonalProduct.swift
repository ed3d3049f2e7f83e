import LinearAlgebra

/// k blocks W_b [p, q] side by side: z_b = W_b·x_b for the b-th q rows of x, every block a product of its own.
///
/// The p rows of a block stay together in the result, or, interleaved, row i of block b becomes row i·k + b: the stride
/// permutation that lets the next blocks mix what these kept apart. Either is written by the products themselves. 2kpq operations
/// an example.
struct BlockDiagonalProduct: Hashable, Sendable {
    /// How the blocks begin.
    enum Init: String, CaseIterable, Sendable {
        /// N(0, min(1, p/q)/q): outputs of the size of the inputs (Qiu et al., 2024).
        case gaussian
        /// Random matrices with orthonormal rows or columns.
        case orthogonal
    }

    let count: Int
    let rows: Int
    let columns: Int
    let interleaves: Bool

    /// kq and kp.
    var inputs: Int { count * columns }
    var outputs: Int { count * rows }

    /// The block W [k, p, q] of one of `cores` factors on `inputs` units, with the learning-rate multiplier of such a factor.
    func block(_ name: String, inputs: Int, cores: Int, learningRateScaling: Bool) -> BlockDeclaration {
        // Each of c cores may change the map by as much as a c-th of a dense update (Qiu et al., 2024).
        let multiplier = learningRateScaling ? Float(inputs) / Float(columns * cores) : 1
        return BlockDeclaration(name, shape: [count, rows, columns], learningRateMultiplier: multiplier)
    }

    func initialise(_ start: Init, generator: CounterRNG, into w: inout MutableSpan<Float>) {
        let variance = min(1, Double(rows) / Double(columns)) / Double(columns)
        generator.fillNormal(&w, standardDeviation: Float(variance.squareRoot()))
        guard start == .orthogonal else { return }
        for block in 0..<count {
            var part = w.part(block * rows * columns..<(block + 1) * rows * columns)
            RandomOrthogonal.orthogonalise(&part, rows: rows, columns: columns)
        }
    }

    private var weights: BlockLayout { .consecutive(count: count, rows: rows, columns: columns) }

    private func layout(ofInputs batch: Int) -> BlockLayout { .consecutive(count: count, rows: columns, columns: batch) }

    private func layout(ofOutputs batch: Int) -> BlockLayout {
        interleaves
            ? .interleaved(count: count, rows: rows, columns: batch) : .consecutive(count: count, rows: rows, columns: batch)
    }

    /// z ← W·x. `x`: [kq, batch], `z`: [kp, batch].
    func apply(_ w: Span<Float>, _ x: MatrixView, into z: inout MutableMatrixView) {
        var target = MutableBlockView(z.elements.part(0..<z.elements.count), layout(ofOutputs: x.columns))
        BLAS.gemm(BlockView(w, weights), BlockView(x.elements, layout(ofInputs: x.columns)), into: &target)
    }

    /// x ← Wᵀ·z.
    func applyTransposed(_ w: Span<Float>, _ z: MatrixView, into x: inout MutableMatrixView) {
        var target = MutableBlockView(x.elements.part(0..<x.elements.count), layout(ofInputs: z.columns))
        BLAS.gemm(
            BlockView(w, weights), transposeA: true, BlockView(z.elements, layout(ofOutputs: z.columns)), into: &target)
    }

    /// dW ← ∂L/∂W from g = ∂L/∂z.
    func gradient(_ x: MatrixView, gradient g: MatrixView, into dw: consuming MutableSpan<Float>) {
        var target = MutableBlockView(dw, weights)
        BLAS.gemm(
            BlockView(g.elements, layout(ofOutputs: x.columns)), BlockView(x.elements, layout(ofInputs: x.columns)),
            transposeB: true, into: &target)
    }

    /// The singular values of all blocks, descending: those of the whole.
    func spectrum(_ w: Span<Float>) throws(LAPACKError) -> FactorSpectrum {
        var spectra: [FactorSpectrum] = []
        for block in 0..<count {
            let part = w.extracting(block * rows * columns..<(block + 1) * rows * columns)
            spectra.append(try FactorSpectrum(MatrixView(part, rows: rows, columns: columns)))
        }
        return FactorSpectrum(union: spectra)
    }
}
