import Foundation
import Training

extension TrainingPlan {
    /// Refuses curvature whose vectors this machine has no room for: the process would be killed in the middle of a run.
    ///
    /// - Throws: `ClusterError`.
    public func requireMemoryForCurvature() throws(ClusterError) {
        if let reason = reasonAgainstCurvature(memory: ProcessInfo.processInfo.physicalMemory) { throw .unusable(reason) }
    }
}
