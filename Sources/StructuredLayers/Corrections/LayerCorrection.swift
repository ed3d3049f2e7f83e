import LinearAlgebra

/// A correction in its place: scale · clip(cap(R(x))).
///
/// The cap multiplies R by κ = min(1, ρ/bound) and so bounds its Lipschitz constant by ρ. The output clip projects each example's
/// κ·R(x) onto the ball ‖·‖ ≤ ρ′: a 1-Lipschitz map that bounds the output and leaves the Lipschitz constant as it was. Both act
/// before the scale: with ReZero the Lipschitz constant is at most |α|·ρ.
struct LayerCorrection: Sendable {
    let kind: any CorrectionKind
    let scale: Scale
    /// On the sum of both branches: 1, or 1 − s for a convex combination, where `scale` is s/(1 − s).
    let gain: Float
    /// ρ of the cap; nil for none.
    let budget: Double?
    /// ρ′ of the output clip; nil for none.
    let outputBudget: Double?
    /// m, the units that come out.
    let outputs: Int
    /// The number of the kind's blocks, after which the scale's comes. Kept, for declaring blocks allocates.
    let kindBlockCount: Int

    init(kind: any CorrectionKind, scale: Scale, gain: Float, budget: Double?, outputBudget: Double?, outputs: Int) {
        (self.kind, self.scale, self.gain, self.budget, self.outputBudget) = (kind, scale, gain, budget, outputBudget)
        (self.outputs, kindBlockCount) = (outputs, kind.blocks.count)
    }

    /// What multiplies the correction, with its numbers.
    enum Scale: Hashable, Sendable {
        case fixed(Float)
        /// A trained scalar that starts at zero.
        case rezero
        /// A trained number a unit, with its start and the multiplier of its learning rate.
        case layerscale(start: Float, learningRateMultiplier: Float)
    }

    /// Work of a branch that needs R(x) by itself, for the output clip or a scale a unit; empty otherwise.
    struct Work: Sendable {
        /// clip(κ·R(x)), [m, batch].
        var output: Matrix
        /// The gradient, or the change, of κ·R(x).
        var gradient: Matrix
        /// ‖κ·R(x)‖ of each example.
        var norms: [Double]
        /// A sum an example.
        var sums: [Double]

        /// Work for outputs [rows, batch].
        init(rows: Int = 0, batch: Int = 0) {
            (output, gradient) = (Matrix(rows: rows, columns: batch), Matrix(rows: rows, columns: batch))
            (norms, sums) = (Array(repeating: 0, count: batch), Array(repeating: 0, count: batch))
        }
    }

    /// Whether R(x) must be had by itself before it is added to the path's output.
    private var isApart: Bool {
        if case .layerscale = scale { return true }
        return outputBudget != nil
    }

    /// The kind's blocks, then the scale.
    var blocks: [BlockDeclaration] {
        var blocks = kind.blocks
        for index in blocks.indices { blocks[index].name = "correction.\(blocks[index].name)" }
        switch scale {
        case .fixed: break
        case .rezero: blocks.append(BlockDeclaration("correction.scale", shape: [1], decays: false))
        case .layerscale(_, let multiplier):
            blocks.append(
                BlockDeclaration("correction.scale", shape: [outputs], learningRateMultiplier: multiplier, decays: false))
        }
        return blocks
    }

    func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        if block < kindBlockCount {
            kind.initialise(block: block, generator: generator, into: &values)
        } else if case .layerscale(let start, _) = scale {
            VectorKernels.fill(&values, with: start)
        }
    }

    func makeWork(batch: Int) -> Work { isApart ? Work(rows: outputs, batch: batch) : Work() }

    /// Works out the bound where a cap asks for it.
    func derive(_ parameters: Span<Float>, _ at: [Range<Int>], _ derived: inout DerivedValues) {
        if budget != nil { kind.derive(parameters: parameters, at: at, into: &derived) }
    }

    // MARK: - Bounds

    /// κ, from the derived bound. A bound that is not a number stays one, so that a diverged run cannot look healthy.
    func capFactor(_ derived: DerivedValues) -> Double {
        guard let budget else { return 1 }
        let bound = derived.scalars[0]
        return bound > budget || bound.isNaN ? budget / bound : 1
    }

    /// The largest magnitude of the scale.
    private func scaleMagnitude(_ parameters: Span<Float>, _ at: [Range<Int>]) -> Double {
        switch scale {
        case .fixed(let factor): Double(abs(factor))
        case .rezero, .layerscale: Double(VectorKernels.maximumMagnitude(parameters.extracting(scalePlace(at))))
        }
    }

    /// Where the scale's block lies.
    func scalePlace(_ at: [Range<Int>]) -> Range<Int> { at[kindBlockCount] }

    /// What is proven of Lip(scale · clip(cap(R))), the gain included; the clip neither adds to it nor takes from it.
    func lipschitzBound(_ parameters: Span<Float>, _ at: [Range<Int>], _ derived: DerivedValues) -> Double {
        Double(gain) * scaleMagnitude(parameters, at) * capFactor(derived) * derived.scalars[0]
    }

    /// What rounding in scale · clip(cap(R)) is relative to, the gain included; at least `lipschitzBound`.
    func termSize(_ parameters: Span<Float>, _ at: [Range<Int>], _ derived: DerivedValues) -> Double {
        let size = kind.termSize(parameters: parameters, at: at, derived: derived)
        return Double(gain) * scaleMagnitude(parameters, at) * capFactor(derived) * max(size, derived.scalars[0])
    }

    /// bound/ρ: how much of the cap's budget the correction uses; above 1 the cap is active.
    func utilisation(_ derived: DerivedValues) -> Double? { budget.map { derived.scalars[0] / $0 } }

    // MARK: - The maps

    /// The factor of R where it is added at once.
    private func factor(_ parameters: Span<Float>, _ at: [Range<Int>], _ derived: DerivedValues) -> Float {
        let cap = capFactor(derived)
        return switch scale {
        case .fixed(let factor): Float(Double(factor) * cap)
        case .rezero: Float(Double(parameters[scalePlace(at).lowerBound]) * cap)
        case .layerscale: Float(cap)
        }
    }

    func addForward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        work: inout Work, to y: inout MutableMatrixView
    ) {
        guard isApart else {
            return kind.addForward(
                x, factor: factor(parameters, at, derived), parameters: parameters, at: at, scratch: &scratch, to: &y)
        }
        makeOutput(x, parameters, at, derived, &scratch, &work)
        addScaled(work.output, parameters, at, to: &y)
    }

    func addBackward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], work: inout Work, blockGradients: inout MutableSpan<Float>, to dx: inout MutableMatrixView
    ) {
        let cap = capFactor(derived)
        // ∂L/∂κ.
        let alignment: Double
        if isApart {
            backThroughScale(g, parameters, at, &work, &blockGradients)
            if let outputBudget { projectTangent(&work, budget: outputBudget) }
            let gradient = work.gradient
            alignment = kind.addBackward(
                x, factor: Float(cap), gradient: gradient.view, parameters: parameters, at: at, scratch: &scratch,
                blockGradients: &blockGradients, to: &dx)
        } else {
            let inner = kind.addBackward(
                x, factor: factor(parameters, at, derived), gradient: g, parameters: parameters, at: at, scratch: &scratch,
                blockGradients: &blockGradients, to: &dx)
            switch scale {
            case .rezero:
                let place = scalePlace(at).lowerBound
                blockGradients[place] = Float(cap * inner)
                alignment = Double(parameters[place]) * inner
            case .fixed(let factor): alignment = Double(factor) * inner
            case .layerscale: alignment = inner
            }
        }
        if let budget, derived.scalars[0] > budget {
            // κ = ρ/b: ∂L/∂b = −∂L/∂κ·ρ/b².
            kind.addBoundGradient(
                weight: -alignment * cap / derived.scalars[0], parameters: parameters, at: at, derived: derived,
                blockGradients: &blockGradients)
        }
    }

    func addJVP(
        _ x: MatrixView, _ v: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], work: inout Work, to y: inout MutableMatrixView
    ) {
        guard isApart else {
            return kind.addJVP(
                x, v, factor: factor(parameters, at, derived), parameters: parameters, at: at, scratch: &scratch, to: &y)
        }
        makeOutput(x, parameters, at, derived, &scratch, &work)
        do {
            var change = work.gradient.mutableView
            VectorKernels.fill(&change.elements, with: 0)
            kind.addJVP(
                x, v, factor: Float(capFactor(derived)), parameters: parameters, at: at, scratch: &scratch, to: &change)
        }
        if let outputBudget { projectTangent(&work, budget: outputBudget) }
        addScaled(work.gradient, parameters, at, to: &y)
    }

    /// output ← clip(κ·R(x)), norms ← ‖κ·R(x)‖.
    private func makeOutput(
        _ x: MatrixView, _ parameters: Span<Float>, _ at: [Range<Int>], _ derived: DerivedValues, _ scratch: inout [Matrix],
        _ work: inout Work
    ) {
        do {
            var output = work.output.mutableView
            VectorKernels.fill(&output.elements, with: 0)
            kind.addForward(
                x, factor: Float(capFactor(derived)), parameters: parameters, at: at, scratch: &scratch, to: &output)
        }
        if let outputBudget { Self.project(&work.output, &work.norms, budget: outputBudget) }
    }

    private func projectTangent(_ work: inout Work, budget: Double) {
        let (output, norms) = (work.output, work.norms)
        Self.projectTangent(&work.gradient, output: output, norms: norms, &work.sums, budget: budget)
    }
}
