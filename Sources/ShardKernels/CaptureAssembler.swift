import LinearAlgebra
import ParameterServer

/// A copy of one version, taken chunk by chunk while the steps go on.
public struct Capture: Sendable {
    public var version: Step
    public var occasion: CaptureOccasion
    public var isComplete: Bool { occasion.isComplete }
    /// The moments are zero unless the capture is complete.
    public var state: OptimizerState

    public init(version: Step, occasion: CaptureOccasion, state: OptimizerState) {
        (self.version, self.occasion, self.state) = (version, occasion, state)
    }
}

/// Gathers the chunks of versions that are being copied.
public struct CaptureAssembler: Sendable {
    private let plan: ChunkPlan
    private var open: [Key: (capture: Capture, missing: Set<ChunkIndex>)] = [:]

    private struct Key: Hashable, Sendable {
        var version: Step
        var occasion: CaptureOccasion
    }

    /// Nothing gathered yet.
    public init(plan: ChunkPlan) { self.plan = plan }

    /// Copies one chunk; the capture comes back when it was the last. What comes again counts once.
    public mutating func add(_ chunk: ChunkIndex, version: Step, _ occasion: CaptureOccasion, from state: OptimizerState)
        -> Capture?
    {
        let (key, complete) = (Key(version: version, occasion: occasion), occasion.isComplete)
        var entry = open[key] ?? (Self.empty(version, occasion, like: state), Set(plan.chunks.map(\.index)))
        open[key] = nil
        let range = plan.chunks[Int(chunk.rawValue)].range
        Self.copy(range, from: state.parameters, to: &entry.capture.state.parameters)
        if complete {
            Self.copy(range, from: state.firstMoment, to: &entry.capture.state.firstMoment)
            if state.secondMoment.count > 0 { Self.copy(range, from: state.secondMoment, to: &entry.capture.state.secondMoment) }
        }
        entry.missing.remove(chunk)
        if entry.missing.isEmpty { return entry.capture }
        open[key] = entry
        return nil
    }

    /// Forgets what was gathered on request, of every version but this.
    public mutating func forgetRequested(except version: Step) {
        open = open.filter { $0.key.occasion != .requested || $0.key.version == version }
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
