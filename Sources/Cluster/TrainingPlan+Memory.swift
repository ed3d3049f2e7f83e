import Foundation
import Training

extension TrainingPlan {
    /// Refuses curvature whose vectors there is no room for: the process would be killed in the middle of a run.
    ///
    /// - Throws: `ClusterError`.
    public func requireMemoryForCurvature() throws(ClusterError) {
        // What a container may have, where there is one.
        let limit = (try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8)).flatMap {
            UInt64($0.trimmingCharacters(in: .whitespacesAndNewlines))
        }
        let memory = min(ProcessInfo.processInfo.physicalMemory, limit ?? .max)
        if let reason = reasonAgainstCurvature(memory: memory) { throw .unusable(reason) }
    }
}
