extension CurvatureConductor {
    /// Overlaps with the basis below this part of ‖w‖ may stay: below √2⁻²⁴ = 2.4e-4 they bend T by no more than rounding (Simon, 1984). They
    /// are measured at every step, so they do not grow unseen.
    private static let overlap = 3e-5
    /// A residual below this part of the largest element of T is rounding's: the basis spans an invariant space.
    private static let breakdown = 1e-6

    mutating func differenceTaken(_ products: [Double]) {
        let (coefficients, square) = (Array(products.dropLast()), products.last ?? 0)
        if let previous = run.betas.last { asymmetry = abs(coefficients[0] - previous) }
        if run.alphas.isEmpty { report.squaredNorms.append(square * Double(layout.dimension)) }
        run.alphas.append(coefficients.last ?? 0)
        phase = run.alphas.count == 1 ? .observeDiagonal : .orthogonalise(coefficients)
    }

    mutating func diagonalObserved(_ sums: [ChunkSums]) {
        let probe = report.runs.count
        report.diagonalProducts.append((0...probe).map { place in sums.reduce(0) { $0 + $1.values[place] } })
        var traces: [Int: Double] = [:]
        for chunk in sums {
            for (layer, value) in zip(chunk.layers, chunk.values.dropFirst(probe + 1)) { traces[layer, default: 0] += value }
        }
        report.layerTraces.append(traces)
        if !traces.values.allSatisfy(\.isFinite) { return abandon("a product with the curvature matrix is not finite") }
        phase = .orthogonalise(run.alphas)
    }

    mutating func orthogonalised(_ products: [Double]) {
        let (left, square) = (Array(products.dropLast()), products.last ?? 0)
        noteAsymmetry(left)
        let remainder = left.reduce(0) { $0 + $1 * $1 }
        let corrects = remainder > Self.overlap * Self.overlap * square
        run.alphas[run.alphas.count - 1] += left.last ?? 0
        let beta = max(0, corrects ? square - remainder : square).squareRoot()
        run.betas.append(beta)
        let scale = (run.alphas + run.betas).reduce(0) { max($0, abs($1)) }
        let isComplete = run.alphas.count == min(options.steps, layout.dimension) || beta <= Self.breakdown * scale
        if isComplete || isConverged { return endRun() }
        phase = .extend(corrects ? left : [], scale: 1 / beta)
    }

    private var isConverged: Bool {
        guard let tolerance = options.tolerance, let ritz = try? run.ritz(), let value = ritz.values.last else { return false }
        return ritz.largestError <= tolerance * abs(value)
    }

    /// ⟨v_i, H·v_j⟩ against ⟨H·v_i, v_j⟩: β between neighbours, 0 between others.
    private mutating func noteAsymmetry(_ overlaps: [Double]) {
        let square = overlaps.dropLast(2).reduce(asymmetry * asymmetry) { $0 + $1 * $1 }
        report.asymmetry = max(report.asymmetry, square.squareRoot())
        asymmetry = 0
    }

    private mutating func endRun() {
        report.append(run)
        run = LanczosRun()
        phase = report.failure != nil || report.runs.count == options.probes ? .finished : .begin
    }
}
