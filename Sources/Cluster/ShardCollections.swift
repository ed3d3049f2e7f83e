import LinearAlgebra
import ParameterServer
import ShardKernels

/// A copy of one version, taken chunk by chunk while the steps go on.
struct Capture: Sendable {
    var version: Step
    var occasion: CaptureOccasion
    var isComplete: Bool { occasion.isComplete }
    /// The moments are zero unless the capture is complete.
    var state: OptimizerState
}

/// Gathers the chunks of versions that are being copied.
struct CaptureAssembler {
    private let plan: ChunkPlan
    private var open: [Key: (capture: Capture, missing: Int)] = [:]

    private struct Key: Hashable {
        var version: Step
        var occasion: CaptureOccasion
    }

    init(plan: ChunkPlan) { self.plan = plan }

    /// Copies one chunk; the capture comes back when it was the last.
    mutating func add(_ chunk: ChunkIndex, version: Step, _ occasion: CaptureOccasion, from state: OptimizerState) -> Capture? {
        let (key, complete) = (Key(version: version, occasion: occasion), occasion.isComplete)
        var entry = open[key] ?? (Self.empty(version, occasion, like: state), plan.chunks.count)
        open[key] = nil
        let range = plan.chunks[Int(chunk.rawValue)].range
        Self.copy(range, from: state.parameters, to: &entry.capture.state.parameters)
        if complete {
            Self.copy(range, from: state.firstMoment, to: &entry.capture.state.firstMoment)
            if state.secondMoment.count > 0 { Self.copy(range, from: state.secondMoment, to: &entry.capture.state.secondMoment) }
        }
        entry.missing -= 1
        if entry.missing == 0 { return entry.capture }
        open[key] = entry
        return nil
    }

    private static func empty(_ version: Step, _ occasion: CaptureOccasion, like state: OptimizerState) -> Capture {
        let complete = occasion.isComplete
        var copy = state
        copy.parameters = AlignedVector(count: state.parameters.count)
        copy.firstMoment = AlignedVector(count: complete ? state.firstMoment.count : 0)
        copy.secondMoment = AlignedVector(count: complete ? state.secondMoment.count : 0)
        return Capture(version: version, occasion: occasion, state: copy)
    }

    private static func copy(_ range: Range<Int>, from source: AlignedVector, to target: inout AlignedVector) {
        var all = target.mutableSpan
        var part = all.part(range)
        VectorKernels.copy(source.span.extracting(range), into: &part)
    }
}

/// The squared norms of a step's segments, chunk by chunk as they are rooted.
struct NormCollector {
    private var byChunk: [[Double]]
    private var missing: Int

    init(chunks: Int) {
        byChunk = Array(repeating: [], count: chunks)
        missing = chunks
    }

    var isComplete: Bool { missing == 0 }

    mutating func set(_ norms: [Double], of chunk: ChunkIndex) {
        if byChunk[Int(chunk.rawValue)].isEmpty { missing -= 1 }
        byChunk[Int(chunk.rawValue)] = norms
    }

    /// All norms in the plan's order; begins anew.
    mutating func take() -> [Double] {
        let all = byChunk.flatMap { $0 }
        self = NormCollector(chunks: byChunk.count)
        return all
    }
}

/// Whose microbatches counted in the present step.
struct Contributions {
    private var held: [TreeNode: WorkerID] = [:]

    mutating func accept(_ node: TreeNode, from worker: WorkerID) { held[node] = worker }

    /// An ancestor has replaced these sums: what they were made of does not count.
    mutating func discard(_ nodes: [TreeNode]) {
        for node in nodes { held = held.filter { !node.covers($0.key) } }
    }

    /// Microbatches by worker; begins anew.
    mutating func take() -> [WorkerID: Int] {
        var counts: [WorkerID: Int] = [:]
        for (node, worker) in held { counts[worker, default: 0] += node.count }
        held = [:]
        return counts
    }
}
