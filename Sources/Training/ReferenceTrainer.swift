import LinearAlgebra
import ParameterServer
import ShardKernels

/// The one-process trainer that defines the right answer: every cluster run equals it, bit for bit.
///
/// It is the definition written down: compute the root of the tree, judge the gradient, apply the optimizer, block after block.
public struct ReferenceTrainer: ~Copyable {
    public let plan: TrainingPlan
    /// Parameters and moments of version `step`.
    public private(set) var state: OptimizerState
    /// The step that comes next.
    public private(set) var step: Step = 0
    private var computer: MicrobatchComputer

    /// A trainer before step 0.
    public init(_ plan: TrainingPlan) {
        self.plan = plan
        state = plan.initialState()
        computer = MicrobatchComputer(plan)
    }

    /// Lets go of the parameters on return, so that the step is applied in their place.
    private mutating func rootGradient() -> (FloatMemory, [Double]) {
        let parameters = state.parameters
        let (gradient, scalars) = computer.gradient(of: plan.tree.root, step: step, parameters: parameters.span)
        return (gradient, scalars.values)
    }

    /// Takes one step and says what it saw.
    ///
    /// - Throws: `TrainingError.gradientNotFinite` before the step is applied, if the experiment says to stop on it.
    public mutating func takeStep() throws(TrainingError) -> StepReport {
        let (gradient, scalars) = rootGradient()
        let norms = plan.needsNorms(at: step) ? plan.squaredNorms(of: gradient) : nil
        let decision = try StepDecision(plan: plan, step: step, squaredNorms: norms)
        for chunk in plan.chunks.chunks {
            for segment in chunk.segments {
                state.apply(
                    plan.update, step: step, clipScale: decision.clipScale, segment: segment,
                    gradient: gradient.floats(segment.range))
            }
        }
        let report = StepReport(plan: plan, step: step, scalars: scalars, squaredNorms: norms, decision: decision)
        step += 1
        return report
    }
}
