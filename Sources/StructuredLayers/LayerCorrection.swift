import LinearAlgebra

/// A correction in its place: scale · cap(R(x)), where cap multiplies R by κ = min(1, ρ/bound) and scale is 1 or a trained scalar α.
///
/// With ReZero the Lipschitz constant is at most |α|·ρ: the cap bounds R itself.
struct LayerCorrection: Sendable {
    let kind: any CorrectionKind
    let scale: CorrectionScale
    /// ρ; nil for no cap.
    let budget: Double?

    /// The kind's blocks, then α.
    var blocks: [BlockDeclaration] {
        var blocks = kind.blocks
        for index in blocks.indices { blocks[index].name = "correction.\(blocks[index].name)" }
        if scale == .rezero { blocks.append(BlockDeclaration("correction.scale", shape: [1], decays: false)) }
        return blocks
    }

    /// κ, from the derived bound. A bound that is not a number stays one, so that a diverged run cannot look healthy.
    func capFactor(_ derived: DerivedValues) -> Double {
        guard let budget else { return 1 }
        let bound = derived.scalars[0]
        return bound > budget || bound.isNaN ? budget / bound : 1
    }

    private func alpha(_ parameters: Span<Float>, _ at: [Range<Int>]) -> Float {
        scale == .rezero ? parameters[at[kind.blocks.count].lowerBound] : 1
    }

    private func factor(_ parameters: Span<Float>, _ at: [Range<Int>], _ derived: DerivedValues) -> Float {
        Float(Double(alpha(parameters, at)) * capFactor(derived))
    }

    /// What is proven of Lip(scale · cap(R)).
    func lipschitzBound(_ parameters: Span<Float>, _ at: [Range<Int>], _ derived: DerivedValues) -> Double {
        Double(abs(alpha(parameters, at))) * capFactor(derived) * derived.scalars[0]
    }

    /// bound/ρ: how much of the budget the correction uses; above 1 the cap is active.
    func utilisation(_ derived: DerivedValues) -> Double? { budget.map { derived.scalars[0] / $0 } }

    func addForward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        kind.addForward(
            x, factor: factor(parameters, at, derived), parameters: parameters, at: at, scratch: &scratch, to: &y)
    }

    func addBackward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, to dx: inout MutableMatrixView
    ) {
        let (alpha, cap) = (Double(alpha(parameters, at)), capFactor(derived))
        let alignment = kind.addBackward(
            x, factor: factor(parameters, at, derived), gradient: g, parameters: parameters, at: at, scratch: &scratch,
            blockGradients: &blockGradients, to: &dx)
        if scale == .rezero { blockGradients[at[kind.blocks.count].lowerBound] = Float(cap * alignment) }
        if let budget, derived.scalars[0] > budget {
            // κ = ρ/b: ∂L/∂b = −α⟨g, R⟩·ρ/b².
            let weight = -alpha * alignment * cap / derived.scalars[0]
            kind.addBoundGradient(
                weight: weight, parameters: parameters, at: at, derived: derived, blockGradients: &blockGradients)
        }
    }

    func addJVP(
        _ x: MatrixView, _ v: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix],
        to y: inout MutableMatrixView
    ) {
        kind.addJVP(
            x, v, factor: factor(parameters, at, derived), parameters: parameters, at: at, scratch: &scratch, to: &y)
    }
}
