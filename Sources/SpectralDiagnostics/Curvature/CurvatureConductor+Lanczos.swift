extension CurvatureConductor {
    /// A residual below this part of the largest element of T is rounding's: the basis spans an invariant space.
    private static let breakdown = 1e-6

    mutating func projected(_ products: [Double]) {
        let (coefficients, square) = (Array(products.dropLast()), products.last ?? 0)
        let error = run.betas.last.map { abs(coefficients[0] - $0) } ?? 0
        if run.alphas.isEmpty { report.squaredNorms.append(square * Double(layout.dimension)) }
        run.alphas.append(coefficients.last ?? 0)
        let rest = max(0, coefficients.reduce(square) { $0 - $1 * $1 }).squareRoot()
        orthogonality.decide(alphas: run.alphas, betas: run.betas, square: square, beta: rest, error: error)
        report.asymmetry = max(report.asymmetry, error)
        asymmetry = error
        phase = run.alphas.count == 1 ? .observeDiagonal : orthogonalise(coefficients)
    }

    private func orthogonalise(_ coefficients: [Double]) -> Phase {
        .orthogonalise(coefficients, takingAll: orthogonality.takesAll)
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
        phase = orthogonalise(run.alphas)
    }

    /// `products`: of w with the last two vectors, or with all; ‖w‖²; of the last vector with those before it, where all are taken.
    mutating func orthogonalised(_ products: [Double]) {
        let count = orthogonality.takesAll ? run.alphas.count : min(2, run.alphas.count)
        let (left, square, last) = (Array(products[..<count]), products[count], Array(products[(count + 1)...]))
        noteAsymmetry(left)
        let remainder = left.reduce(0) { $0 + $1 * $1 }
        let corrects = orthogonality.corrects(left.map { $0 / square.squareRoot() }, last: last)
        run.alphas[run.alphas.count - 1] += left.last ?? 0
        let beta = max(0, corrects ? square - remainder : square).squareRoot()
        run.betas.append(beta)
        let scale = (run.alphas + run.betas).reduce(0) { max($0, abs($1)) }
        let isComplete = run.alphas.count == min(options.steps, layout.dimension) || beta <= Self.breakdown * scale
        if isComplete || isConverged { return endRun() }
        orthogonality.append()
        phase = .extend(corrects ? [left, last] : [[], []], scale: 1 / beta)
    }

    private var isConverged: Bool {
        guard let tolerance = options.tolerance, let ritz = try? run.ritz(), let value = ritz.values.last else { return false }
        return ritz.largestError <= tolerance * abs(value)
    }

    /// ⟨v_i, H·v_j⟩ against ⟨H·v_i, v_j⟩: β between neighbours; 0 between others, where v_j and v_{j−1} are orthogonal to all of them.
    private mutating func noteAsymmetry(_ overlaps: [Double]) {
        guard orthogonality.takesAll && orthogonality.followsReading else { return }
        let square = overlaps.dropLast(2).reduce(asymmetry * asymmetry) { $0 + $1 * $1 }
        report.asymmetry = max(report.asymmetry, square.squareRoot())
    }

    private mutating func endRun() {
        report.append(run)
        (run, orthogonality) = (LanczosRun(), Reorthogonalisation())
        phase = report.failure != nil || report.runs.count == options.probes ? .finished : .begin
    }
}
