import LinearAlgebra
import ParameterServer

/// The optimizer on real numbers: one step on a range of the flat vector.
///
/// Every path that moves a weight goes through this type, so that shards and the reference trainer cannot differ by a rounding.
public struct ParameterUpdate: Sendable {
    public let optimizer: OptimizerSpecification
    /// How a block is treated, without its name: looked up for every segment of every step.
    private struct Treatment: Hashable, Sendable {
        var isState: Bool
        var learningRateMultiplier: Float
        var decays: Bool
    }

    private let blocks: [Treatment]
    /// 1/B: gradients arrive as sums over the batch's examples.
    private let meanFactor: Double

    /// The update for the blocks of a plan; `batch` is B.
    public init(optimizer: OptimizerSpecification, blocks: [BlockExtent], batch: Int) {
        precondition(batch >= 1, "a batch has examples")
        self.optimizer = optimizer
        self.blocks = blocks.map {
            Treatment(
                isState: $0.isState, learningRateMultiplier: $0.learningRateMultiplier,
                decays: $0.decays && optimizer.weightDecay != 0)
        }
        meanFactor = 1 / Double(batch)
    }

    /// The global-norm clipping factor of a step: min(1, bound / ‖mean gradient‖), 1 without a bound.
    ///
    /// `squaredNorm` is of the summed gradient.
    public func clipScale(squaredNorm: Double, bound: Double?) -> Double {
        let norm = meanNorm(squaredNorm: squaredNorm)
        guard let bound, norm > bound else { return 1 }
        return bound / norm
    }

    /// ‖mean gradient‖₂ from the squared norm of the summed gradient.
    public func meanNorm(squaredNorm: Double) -> Double { squaredNorm.squareRoot() * meanFactor }

    /// What one segment of the summed gradient adds to the squared norm.
    ///
    /// The next value of a state block is no gradient and adds nothing; but NaN when it is not finite, so that the stop on such
    /// gradients sees it. O(count).
    public func squaredNorm(block: Int, gradient: Span<Float>) -> Double {
        guard blocks[block].isState else { return VectorKernels.sumOfSquares(gradient) }
        return VectorKernels.allFinite(gradient) ? 0 : .nan
    }

    /// Applies step `step` to one segment: the optimizer to parameters, assignment to state.
    ///
    /// All spans have the segment's count, but the second moment is empty for rules that keep one. O(count), no allocation.
    public func apply(
        step: Step, clipScale: Double, block: Int, parameters: inout MutableSpan<Float>,
        firstMoment first: inout MutableSpan<Float>,
        secondMoment second: inout MutableSpan<Float>, gradient: Span<Float>
    ) {
        rule(step: step, clipScale: clipScale, block: block).apply(
            parameters: &parameters, firstMoment: &first, secondMoment: &second, gradient: gradient)
    }

    /// What step `step` does to every element of a block alike, so that a segment may be taken in pieces.
    public func rule(step: Step, clipScale: Double, block: Int) -> Rule {
        let extent = blocks[block]
        if extent.isState { return .assign }
        let rate = Float(optimizer.learningRate(at: step) * Double(extent.learningRateMultiplier))
        let scale = Float(meanFactor * clipScale)
        let decay = extent.decays ? optimizer.weightDecay : 0
        switch optimizer.kind {
        case .sgd(let momentum): return .momentum(rate: rate, momentum: momentum, scale: scale, decay: decay)
        case .adam(let beta1, let beta2, let epsilon):
            return .adam(
                rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, firstCorrection: Self.correction(beta1, step),
                secondCorrection: Self.correction(beta2, step), scale: scale, coupledDecay: decay, decoupledDecay: 0)
        case .adamW(let beta1, let beta2, let epsilon):
            return .adam(
                rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, firstCorrection: Self.correction(beta1, step),
                secondCorrection: Self.correction(beta2, step), scale: scale, coupledDecay: 0, decoupledDecay: decay)
        }
    }

    /// Whether every step has one rule for both blocks.
    public func treatsAlike(_ block: Int, _ other: Int) -> Bool { blocks[block] == blocks[other] }

    /// The step's constants for one block.
    public enum Rule: Hashable, Sendable {
        /// The next value of a state block is what was pushed for it.
        case assign
        case momentum(rate: Float, momentum: Float, scale: Float, decay: Float)
        case adam(
            rate: Float, beta1: Float, beta2: Float, epsilon: Float, firstCorrection: Float, secondCorrection: Float, scale: Float,
            coupledDecay: Float, decoupledDecay: Float)

        /// Applies the rule to elements of its block; all spans have one count, but the second moment is empty for rules that keep one.
        public func apply(
            parameters: inout MutableSpan<Float>, firstMoment first: inout MutableSpan<Float>,
            secondMoment second: inout MutableSpan<Float>, gradient: Span<Float>
        ) {
            switch self {
            case .assign: VectorKernels.copy(gradient, into: &parameters)
            case .momentum(let rate, let momentum, let scale, let decay):
                VectorKernels.momentumStep(
                    parameters: &parameters, velocity: &first, gradient: gradient, learningRate: rate, momentum: momentum,
                    gradientScale: scale, weightDecay: decay)
            case .adam(
                let rate, let beta1, let beta2, let epsilon, let firstCorrection, let secondCorrection, let scale, let coupled,
                let decoupled):
                VectorKernels.adamStep(
                    parameters: &parameters, firstMoment: &first, secondMoment: &second, gradient: gradient, learningRate: rate,
                    beta1: beta1, beta2: beta2, epsilon: epsilon, firstCorrection: firstCorrection,
                    secondCorrection: secondCorrection, gradientScale: scale, coupledDecay: coupled, decoupledDecay: decoupled)
            }
        }

        /// Applies the rule to elements of its block, from one memory to another, by the sum of two gradients at any alignment, of which
        /// the second may be empty. Unless this thread is the one that reads the new elements next, they go past the caches, and are visible
        /// to others after `StreamingStores.finish()`.
        public func apply(
            from parameters: Span<Float>, to next: inout MutableSpan<Float>, firstMoment first: inout MutableSpan<Float>,
            secondMoment second: inout MutableSpan<Float>, gradient: RawSpan, plus other: RawSpan, pastCaches: Bool
        ) {
            switch self {
            case .assign: VectorKernels.sum(gradient, other, into: &next)
            case .momentum(let rate, let momentum, let scale, let decay):
                VectorKernels.momentumStep(
                    from: parameters, to: &next, velocity: &first, gradient: gradient, plus: other, learningRate: rate,
                    momentum: momentum, gradientScale: scale, weightDecay: decay, pastCaches: pastCaches)
            case .adam(
                let rate, let beta1, let beta2, let epsilon, let firstCorrection, let secondCorrection, let scale, let coupled,
                let decoupled):
                VectorKernels.adamStep(
                    from: parameters, to: &next, firstMoment: &first, secondMoment: &second, gradient: gradient, plus: other,
                    learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, firstCorrection: firstCorrection,
                    secondCorrection: secondCorrection, gradientScale: scale, coupledDecay: coupled, decoupledDecay: decoupled,
                    pastCaches: pastCaches)
            }
        }
    }

    /// Whether elements take steps of their own: by Adam's second moment, or by a multiplier of their block's learning rate.
    public var isPreconditioned: Bool {
        optimizer.kind.isAdaptive || blocks.contains { !$0.isState && $0.learningRateMultiplier != 1 }
    }

    /// P^(−½) on one segment, where the last step before `version` was η·P⁻¹·(mean of gradients): P = (1 − β₁ᵗ)·(√(v/(1 − β₂ᵗ)) + ε)
    /// of Adam (Cohen et al., 2022), 1 of others, over the block's multiplier of the learning rate; 0 for state.
    ///
    /// `second` has the segment's count, or none for rules that keep one moment. O(count).
    public func inverseRootPreconditioner(
        at version: Step, block: Int, secondMoment second: Span<Float>, into target: inout MutableSpan<Float>
    ) {
        let extent = blocks[block]
        let multiplier = Double(extent.learningRateMultiplier)
        if extent.isState { return VectorKernels.fill(&target, with: 0) }
        switch optimizer.kind {
        case .sgd: VectorKernels.fill(&target, with: Float(multiplier.squareRoot()))
        case .adam(let beta1, let beta2, let epsilon), .adamW(let beta1, let beta2, let epsilon):
            precondition(version > 0, "the first step has made the moments")
            let first = Double(Self.correction(beta1, version - 1)) / multiplier
            let secondCorrection = Double(Self.correction(beta2, version - 1))
            for index in target.indices {
                let root = (Double(second[index]) / secondCorrection).squareRoot()
                target[index] = Float(1 / (first * (root + Double(epsilon))).squareRoot())
            }
        }
    }

    /// 1 − βᵗ⁺¹ in float64, rounded once.
    static func correction(_ beta: Float, _ step: Step) -> Float { Float(1 - power(Double(beta), step + 1)) }
}
