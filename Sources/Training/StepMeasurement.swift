import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import SpectralDiagnostics
import StructuredLayers

/// T0 of one version in one process: D12, D19 and D20 of the step that would come next. Not for many versions.
public struct StepMeasurement {
    private let plan: TrainingPlan

    /// A measurement of the plan's network on its training data.
    public init(_ plan: TrainingPlan) { self.plan = plan }

    /// The rows of the diagnostics that the experiment selects.
    public func rows(version: Step, parameters: AlignedVector) -> [DiagnosticRow] {
        plan.gathers(at: version) ? step(version, parameters) : []
    }

    private func step(_ version: Step, _ parameters: AlignedVector) -> [DiagnosticRow] {
        var computer = MicrobatchComputer(plan)
        let (gradient, scalars) = computer.gradient(of: plan.tree.root, step: version, parameters: parameters.span)
        let norms = plan.squaredNorms(of: gradient)
        return StepReport.diagnostics(of: plan, scalars: scalars.values, squaredNorms: norms)
    }
}

extension TrainingPlan {
    /// ‖ΣG‖² of every segment, in the plan's order.
    func squaredNorms(of gradient: FloatMemory) -> [Double] {
        chunks.chunks.flatMap { chunk in
            chunk.segments.map { update.squaredNorm(block: $0.block, gradient: gradient.floats($0.range)) }
        }
    }
}
