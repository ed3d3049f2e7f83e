import LinearAlgebra
import ParameterServer
import ShardKernels
import StructuredLayers
import Training
import Transport

/// Where a process keeps what the others of its host read without a socket: its two versions of the parameters, of which its own chunks
/// are of interest, and its outboxes, which hold the gradients of a step for hosts on this machine.
///
/// Pieces are chunks at their places in the flat vector, each with a stamp of what it holds. A piece is written again only when nobody
/// needs it any more: a chunk's gradient of step `t` when its version `t + 1` has come back, a chunk's version when the second next is
/// made. Whoever falls behind that far notices by the stamp.
struct ExchangeMemory: Sendable {
    let plan: ExchangeLayout
    private let segment: SharedSegment?
    let versions: ParameterVersions
    private let outboxes: [FloatMemory]

    /// Memory that others may read if `isShared`, and the system allows it.
    init(_ plan: TrainingPlan, isShared: Bool) {
        let layout = ExchangeLayout(plan)
        self.plan = layout
        segment = isShared ? try? SharedSegment(byteCount: layout.byteCount) : nil
        guard let segment else {
            versions = ParameterVersions(count: layout.elements)
            outboxes = []
            return
        }
        let areas = (0..<layout.areas).map { layout.memory($0, of: segment) }
        versions = ParameterVersions(even: areas[0], odd: areas[1])
        outboxes = Array(areas[2...])
    }

    /// What others open it by; empty when they cannot.
    var name: String { segment?.name ?? "" }

    var outboxCount: Int { outboxes.count }

    /// A chunk's `version` is about to be written.
    func willWrite(_ chunk: ChunkIndex, _ version: Step) { stamp(chunk, ExchangeLayout.area(of: version))?.clear() }

    /// A chunk's `version` of `timeline` is there.
    func didWrite(_ chunk: ChunkIndex, _ version: Step, _ timeline: Timeline) {
        stamp(chunk, ExchangeLayout.area(of: version))?.set(ExchangeLayout.stamp(version, timeline))
    }

    /// Puts a chunk's gradient of `step` into an outbox, past the caches.
    func post(_ gradient: FloatMemory, _ chunk: ChunkIndex, _ step: Step, _ timeline: Timeline, outbox: Int) {
        guard let stamp = stamp(chunk, 2 + outbox) else { return }
        let range = plan.ranges[Int(chunk.rawValue)]
        stamp.clear()
        outboxes[outbox].stream(gradient.floats(range), at: range.lowerBound)
        stamp.set(ExchangeLayout.stamp(step, timeline))
    }

    private func stamp(_ chunk: ChunkIndex, _ area: Int) -> SharedSegment.Stamp? {
        segment?.stamp(at: plan.stampOffset(chunk, area))
    }
}

/// Another process's memory, for reading.
struct PeerMemory: Sendable {
    private let layout: ExchangeLayout
    private let segment: SharedSegment
    private let areas: [FloatMemory]

    /// nil when it is on another host, or cannot be opened from here.
    init?(opening name: String, _ layout: ExchangeLayout) {
        guard !name.isEmpty, let segment = SharedSegment(opening: name, byteCount: layout.byteCount) else { return nil }
        (self.layout, self.segment) = (layout, segment)
        areas = (0..<layout.areas).map { layout.memory($0, of: segment) }
    }

    /// A chunk's version, copied to `target`; false when it is not there, or was written over meanwhile.
    func copy(_ chunk: ChunkIndex, _ version: Step, _ timeline: Timeline, to target: FloatMemory) -> Bool {
        guard Int(chunk.rawValue) < layout.ranges.count else { return false }
        let (area, range) = (ExchangeLayout.area(of: version), layout.ranges[Int(chunk.rawValue)])
        let (stamp, expected) = (segment.stamp(at: layout.stampOffset(chunk, area)), ExchangeLayout.stamp(version, timeline))
        guard stamp.value == expected else { return false }
        let source = areas[area]
        var part = target.mutableFloats(range)
        VectorKernels.copy(source.floats(range), into: &part)
        return stamp.valueAfterReading == expected
    }

    /// A chunk's gradient of `step` in an outbox, which stays until the step has been applied; nil when it is not there.
    func gradient(_ chunk: ChunkIndex, _ step: Step, _ timeline: Timeline, outbox: Int) -> BorrowedFloats? {
        let area = 2 + outbox
        guard area < layout.areas, Int(chunk.rawValue) < layout.ranges.count else { return nil }
        guard segment.stamp(at: layout.stampOffset(chunk, area)).value == ExchangeLayout.stamp(step, timeline) else { return nil }
        return areas[area].borrowed(layout.ranges[Int(chunk.rawValue)])
    }
}

/// How a process's memory for its neighbours is laid out; the same in every process of a run.
struct ExchangeLayout: Sendable {
    /// Of the flat vector.
    let elements: Int
    /// By chunk.
    let ranges: [Range<Int>]
    /// Two versions, and an outbox for each node that a worker may push in a step; nodes beyond go over the socket.
    let areas: Int

    private static let outboxesMax = 8

    init(_ plan: TrainingPlan) {
        elements = plan.network.layout.count
        ranges = plan.chunks.chunks.map(\.range)
        areas = 2 + min(plan.tree.partitions, Self.outboxesMax)
    }

    private var stampBytes: Int { (areas * ranges.count * 8 + 4095) / 4096 * 4096 }
    private var areaBytes: Int { (elements * 4 + 4095) / 4096 * 4096 }
    var byteCount: Int { stampBytes + areas * areaBytes }

    func stampOffset(_ chunk: ChunkIndex, _ area: Int) -> Int { (area * ranges.count + Int(chunk.rawValue)) * 8 }

    static func area(of version: Step) -> Int { version.isMultiple(of: 2) ? 0 : 1 }

    /// Never 0: timelines begin with 1.
    static func stamp(_ step: Step, _ timeline: Timeline) -> UInt64 { UInt64(timeline.rawValue) << 40 | (step & 0xFF_FFFF_FFFF) }

    func memory(_ area: Int, of segment: SharedSegment) -> FloatMemory {
        let start = stampBytes + area * areaBytes
        let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: segment.bytes[start..<start + elements * 4])
        return unsafe FloatMemory(bytes.bindMemory(to: Float.self), of: segment)
    }
}
