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

/// Gathers the sections of chunks of versions that are being copied.
public struct CaptureAssembler: Sendable {
    private struct Key: Hashable, Sendable {
        var version: Step
        var occasion: CaptureOccasion
    }

    private struct Entry: Sendable {
        var state: OptimizerState
        /// By chunk and section.
        var present: [Bool]
        var missing: Int
    }

    private let plan: ChunkPlan
    private let optimizer: OptimizerSpecification
    private let elements: Int
    private var open: [Key: Entry] = [:]

    /// Nothing gathered yet of vectors of `elements`.
    public init(plan: ChunkPlan, optimizer: OptimizerSpecification, elements: Int) {
        (self.plan, self.optimizer, self.elements) = (plan, optimizer, elements)
    }

    /// Sections of each chunk of a capture: the parameters, and the moments if it is complete.
    public func sections(_ occasion: CaptureOccasion) -> Int { occasion.isComplete ? 1 + optimizer.moments.count : 1 }

    /// Copies one chunk of a shard in this process; the capture comes back when it was the last.
    public mutating func add(_ chunk: ChunkIndex, version: Step, _ occasion: CaptureOccasion, from store: ShardStore) -> Capture? {
        var whole: Capture?
        for section in 0..<sections(occasion) {
            let values = store.section(section, of: chunk)
            whole = add(section, of: chunk, version: version, occasion, values.bytes(0..<values.count))
        }
        return whole
    }

    /// Copies one section of a chunk, little-endian float32, as many as the chunk has; the capture comes back when it was the last. What
    /// comes again counts once.
    public mutating func add(
        _ section: Int, of chunk: ChunkIndex, version: Step, _ occasion: CaptureOccasion, _ payload: RawSpan
    ) -> Capture? {
        let (key, count) = (Key(version: version, occasion: occasion), sections(occasion))
        var entry = open.removeValue(forKey: key) ?? empty(count)
        let (index, range) = (Int(chunk.rawValue), plan.chunks[Int(chunk.rawValue)].range)
        if !entry.present[index * count + section] {
            entry.present[index * count + section] = true
            entry.missing -= 1
            switch section {
            case 0: Self.copy(payload, to: range, of: &entry.state.parameters)
            case 1: Self.copy(payload, to: range, of: &entry.state.firstMoment)
            default: Self.copy(payload, to: range, of: &entry.state.secondMoment)
            }
        }
        if entry.missing == 0 { return Capture(version: version, occasion: occasion, state: entry.state) }
        open[key] = entry
        return nil
    }

    /// Whether a section of these chunks is still to come, or nothing of the version is there.
    public func lacks(_ chunks: [ChunkIndex], of version: Step, _ occasion: CaptureOccasion) -> Bool {
        guard let entry = open[Key(version: version, occasion: occasion)] else { return true }
        let count = sections(occasion)
        return chunks.contains { chunk in (0..<count).contains { !entry.present[Int(chunk.rawValue) * count + $0] } }
    }

    /// Forgets what was gathered on request, of every version but this.
    public mutating func forgetRequested(except version: Step) {
        open = open.filter { $0.key.occasion != .requested || $0.key.version == version }
    }

    private func empty(_ sections: Int) -> Entry {
        var state = OptimizerState(parameters: AlignedVector(count: elements), optimizer: optimizer)
        if sections == 1 { (state.firstMoment, state.secondMoment) = (AlignedVector(count: 0), AlignedVector(count: 0)) }
        let count = sections * plan.chunks.count
        return Entry(state: state, present: Array(repeating: false, count: count), missing: count)
    }

    private static func copy(_ payload: RawSpan, to range: Range<Int>, of target: inout AlignedVector) {
        var all = target.mutableSpan
        var part = all.part(range)
        VectorKernels.copy(bytes: payload, into: &part)
    }
}
