import LinearAlgebra
import ParameterServer

/// The numbers of a shard: two versions of its parameters, the moments, and the sums of the tree's held nodes.
///
/// A step reads a chunk's version `t` and writes `t + 1` beside it, in one pass: pushed values are added where they arrived, and the new
/// elements go past the caches to whoever reads them next. Mirrors `ShardMachine`, directive for directive; used
/// by one thread at a time. The memory of the versions may be shared with their readers. A copy of a store that has made nothing yet
/// shares its memory: so the threads of one process host different chunks of the same vectors.
public struct ShardStore: Sendable {
    public let plan: ChunkPlan
    public let update: ParameterUpdate
    /// Where the versions lie; a chunk that is not hosted here is nobody's concern here.
    public let versions: ParameterVersions
    /// Velocity, or first moment, as long as the flat vector; what is not hosted here is never touched.
    private let first: FloatMemory
    /// Second moment; empty for rules that keep one.
    private let second: FloatMemory
    /// By chunk, the version that was made last; after `restore` both memories hold the same.
    private var latest: [Step]
    private var sums: NodeSums
    /// By chunk, its elements in as few ranges as the optimizer's rules allow; neighbours of one rule are one.
    private let runs: [[Run]]

    private struct Run: Sendable {
        /// One of the blocks, for the rule of them all.
        var block: Int
        var range: Range<Int>
    }

    /// A store that begins with `state`, whose vectors are as long as the plan, in memory of its own or in `versions`.
    public init(plan: ChunkPlan, update: ParameterUpdate, state: OptimizerState, versions: ParameterVersions? = nil) {
        precondition(state.parameters.count >= plan.elements, "the plan's chunks lie in the flat vector")
        self.init(plan: plan, update: update, versions: versions ?? ParameterVersions(count: state.parameters.count))
        restore(state)
    }

    /// A store whose chunks are still to be installed.
    public init(plan: ChunkPlan, update: ParameterUpdate, versions: ParameterVersions) {
        (self.plan, self.update, self.versions) = (plan, update, versions)
        first = FloatMemory(count: versions.count)
        second = FloatMemory(count: update.optimizer.moments.count > 1 ? versions.count : 0)
        latest = Array(repeating: 0, count: plan.chunks.count)
        sums = NodeSums(chunks: plan.chunks.count)
        runs = plan.chunks.map { Self.runs($0.segments, update) }
    }

    private static func runs(_ segments: [ChunkPlan.Segment], _ update: ParameterUpdate) -> [Run] {
        var runs: [Run] = []
        for segment in segments {
            if let last = runs.last, last.range.upperBound == segment.range.lowerBound,
                update.treatsAlike(last.block, segment.block)
            {
                runs[runs.count - 1].range = last.range.lowerBound..<segment.range.upperBound
            } else {
                runs.append(Run(block: segment.block, range: segment.range))
            }
        }
        return runs
    }

    /// Adds a pushed value into the held nodes `merging`, one after the other, and keeps the sum as `yields`.
    ///
    /// `payload` is little-endian float32 at any alignment; its size is checked by the caller against the chunk. O(count · nodes).
    public mutating func accept(chunk: ChunkIndex, payload: RawSpan, merging: [TreeNode], yields: TreeNode) {
        precondition(payload.byteCount == range(chunk).count * 4, "a push carries the whole chunk")
        sums.accept(chunk: chunk, payload: payload, merging: merging, yields: yields)
    }

    /// The same, but reads the value where it lies, when its sum is needed.
    public mutating func accept(chunk: ChunkIndex, borrowing value: BorrowedFloats, merging: [TreeNode], yields: TreeNode) {
        precondition(value.count == range(chunk).count, "a push carries the whole chunk")
        sums.accept(chunk: chunk, borrowing: value, merging: merging, yields: yields)
    }

    /// Forgets held nodes.
    public mutating func discard(chunk: ChunkIndex, nodes: [TreeNode]) { sums.discard(chunk: chunk, nodes: nodes) }

    /// What each segment of the chunk's summed gradient adds to the squared norm, in order.
    public mutating func squaredNorms(chunk: ChunkIndex, root: TreeNode) -> [Double] {
        let start = range(chunk).lowerBound
        let sum = sums.sum(root, of: chunk)
        return plan.chunks[Int(chunk.rawValue)].segments.map { segment in
            let local = segment.range.lowerBound - start..<segment.range.upperBound - start
            return update.squaredNorm(block: segment.block, gradient: sum.floats(local))
        }
    }

    /// Applies `step` to the chunk, which makes version `step + 1` of it, and forgets the sum. O(count), no allocation.
    ///
    /// The new elements go past the caches: for readers on other cores.
    public mutating func apply(chunk: ChunkIndex, step: Step, clipScale: Double, root: TreeNode) {
        let (gradient, other) = sums.terms(root, of: chunk)
        for run in runs[Int(chunk.rawValue)] {
            let rule = update.rule(step: step, clipScale: clipScale, block: run.block)
            apply(rule, to: run.range, of: chunk, step: step, gradient, other, pastCaches: true)
        }
        StreamingStores.finish()
        made(step + 1, of: chunk, root)
    }

    /// The same for this thread to send: the new elements stay in its caches. Returns their checksum, [chunk.range.count] float32, which is
    /// taken piece by piece while they are near.
    public mutating func applyChecked(chunk: ChunkIndex, step: Step, clipScale: Double, root: TreeNode) -> UInt32 {
        let (gradient, other) = sums.terms(root, of: chunk)
        let (all, next, piece) = (range(chunk), versions[step + 1], PayloadChecksum.pieceBytes / 4)
        var (checksum, checked) = (PayloadChecksum(), all.lowerBound)
        for run in runs[Int(chunk.rawValue)] {
            let rule = update.rule(step: step, clipScale: clipScale, block: run.block)
            var place = run.range.lowerBound
            while place < run.range.upperBound {
                let boundary = all.lowerBound + ((place - all.lowerBound) / piece + 1) * piece
                let end = min(run.range.upperBound, boundary)
                apply(rule, to: place..<end, of: chunk, step: step, gradient, other, pastCaches: false)
                if end == boundary && end < all.upperBound {
                    checksum.add(unsafe next.floats(checked..<end).bytes)
                    checked = end
                }
                place = end
            }
        }
        made(step + 1, of: chunk, root)
        return checksum.end(unsafe next.floats(checked..<all.upperBound).bytes)
    }

    private func apply(
        _ rule: ParameterUpdate.Rule, to place: Range<Int>, of chunk: ChunkIndex, step: Step, _ gradient: BorrowedFloats,
        _ other: BorrowedFloats?, pastCaches: Bool
    ) {
        let start = range(chunk).lowerBound
        let (local, rest) = (place.lowerBound - start..<place.upperBound - start, other ?? gradient)
        let (from, to) = (versions[step], versions[step + 1])
        var next = to.mutableFloats(place)
        var firstMoment = first.mutableFloats(place)
        var secondMoment = second.mutableFloats(second.count == 0 ? 0..<0 : place)
        rule.apply(
            from: from.floats(place), to: &next, firstMoment: &firstMoment, secondMoment: &secondMoment,
            gradient: gradient.bytes(local), plus: rest.bytes(other == nil ? 0..<0 : local), pastCaches: pastCaches)
    }

    private mutating func made(_ version: Step, of chunk: ChunkIndex, _ root: TreeNode) {
        sums.discard(chunk: chunk, nodes: [root])
        latest[Int(chunk.rawValue)] = version
    }

    private func range(_ chunk: ChunkIndex) -> Range<Int> { plan.chunks[Int(chunk.rawValue)].range }
}

// MARK: - Whole states

extension ShardStore {
    /// The vector and its moments, every chunk in its latest version. O(elements); copies.
    public var state: OptimizerState { state { latest[Int($0.rawValue)] } }

    /// The vector and its moments at `version`, which whoever hosts any of the chunks in this memory has reached and not gone beyond.
    /// O(elements); copies.
    public func state(at version: Step) -> OptimizerState { state { _ in version } }

    private func state(_ version: (ChunkIndex) -> Step) -> OptimizerState {
        var parameters = AlignedVector(count: versions.count)
        for chunk in plan.chunks { copy(chunk.range, of: versions[version(chunk.index)], into: &parameters) }
        var state = OptimizerState(parameters: parameters, optimizer: update.optimizer)
        state.firstMoment = AlignedVector(first.span)
        state.secondMoment = AlignedVector(second.span)
        return state
    }

    private func copy(_ range: Range<Int>, of memory: FloatMemory, into target: inout AlignedVector) {
        var all = target.mutableSpan
        var part = all.part(range)
        VectorKernels.copy(memory.floats(range), into: &part)
    }

    /// Puts another version in place, whichever it is; the sums held are let go by the machine's directives.
    public mutating func restore(_ state: OptimizerState) {
        for chunk in plan.chunks { install(chunk.index, from: state) }
    }

    /// Puts one chunk of another version in place, whichever it is.
    public mutating func install(_ chunk: ChunkIndex, from state: OptimizerState) {
        let range = range(chunk)
        for section in 0..<sectionCount {
            let vector = section == 0 ? state.parameters : state.moments[section - 1]
            install(section, of: chunk, unsafe vector.span.extracting(range).bytes)
        }
    }

    /// What a chunk's state is made of: the parameters, then the moments in the order of `OptimizerSpecification.moments`.
    public var sectionCount: Int { 1 + update.optimizer.moments.count }

    /// Puts one section of a chunk in place; `payload` is little-endian float32 at any alignment, as many as the chunk has.
    public mutating func install(_ section: Int, of chunk: ChunkIndex, _ payload: RawSpan) {
        let range = range(chunk)
        precondition(payload.byteCount == range.count * 4 && section < sectionCount, "a section is of the whole chunk")
        latest[Int(chunk.rawValue)] = 0
        for memory in section == 0 ? [versions[0], versions[1]] : [section == 1 ? first : second] {
            var target = memory.mutableFloats(range)
            VectorKernels.copy(bytes: payload, into: &target)
        }
    }

    /// A section of a chunk's latest version.
    public func section(_ section: Int, of chunk: ChunkIndex) -> BorrowedFloats {
        memory(section, of: chunk).borrowed(range(chunk))
    }

    /// A copy of the first sections of a chunk's latest version, which stays when the chunk goes on. O(sections · count).
    public func copy(ofSections count: Int, of chunk: ChunkIndex) -> [AlignedVector] {
        (0..<count).map { AlignedVector(memory($0, of: chunk).floats(range(chunk))) }
    }

    private func memory(_ section: Int, of chunk: ChunkIndex) -> FloatMemory {
        section == 0 ? versions[latest[Int(chunk.rawValue)]] : section == 1 ? first : second
    }
}
