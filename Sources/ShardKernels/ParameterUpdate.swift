import LinearAlgebra
import ParameterServer

/// The optimizer on real numbers: one step on a range of the flat vector.
///
/// Every path that moves a weight goes through this type, so that shards and the reference trainer cannot differ by a rounding.
public struct ParameterUpdate: Sendable {
    public let optimizer: OptimizerSpecification
    private let blocks: [BlockExtent]
    /// 1/B: gradients arrive as sums over the batch's examples.
    private let meanFactor: Double

    /// The update for the blocks of a plan; `batch` is B.
    public init(optimizer: OptimizerSpecification, blocks: [BlockExtent], batch: Int) {
        precondition(batch >= 1, "a batch has examples")
        self.optimizer = optimizer
        self.blocks = blocks
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
        let extent = blocks[block]
        if extent.isState { return VectorKernels.copy(gradient, into: &parameters) }
        let rate = Float(optimizer.learningRate(at: step) * Double(extent.learningRateMultiplier))
        let scale = Float(meanFactor * clipScale)
        let decay = extent.decays ? optimizer.weightDecay : 0
        switch optimizer.kind {
        case .sgd(let momentum):
            VectorKernels.momentumStep(
                parameters: &parameters, velocity: &first, gradient: gradient, learningRate: rate, momentum: momentum,
                gradientScale: scale, weightDecay: decay)
        case .adam(let beta1, let beta2, let epsilon):
            VectorKernels.adamStep(
                parameters: &parameters, firstMoment: &first, secondMoment: &second, gradient: gradient, learningRate: rate,
                beta1: beta1, beta2: beta2, epsilon: epsilon, firstCorrection: Self.correction(beta1, step),
                secondCorrection: Self.correction(beta2, step), gradientScale: scale, coupledDecay: decay, decoupledDecay: 0)
        case .adamW(let beta1, let beta2, let epsilon):
            VectorKernels.adamStep(
                parameters: &parameters, firstMoment: &first, secondMoment: &second, gradient: gradient, learningRate: rate,
                beta1: beta1, beta2: beta2, epsilon: epsilon, firstCorrection: Self.correction(beta1, step),
                secondCorrection: Self.correction(beta2, step), gradientScale: scale, coupledDecay: 0, decoupledDecay: decay)
        }
    }

    /// 1 − βᵗ⁺¹ in float64, rounded once.
    static func correction(_ beta: Float, _ step: Step) -> Float { Float(1 - power(Double(beta), step + 1)) }
}
