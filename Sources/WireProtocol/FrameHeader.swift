import ParameterServer

/// The head of every data frame: what the payload is, by name.
///
/// A frame travels as two message parts: 64 bytes of header, then the payload (left out when it is empty). Several frames may share a
/// message: their headers one after the other, then their payloads one after the other. The byte table is in
/// `docs/wire-protocol.md`. A header that decodes is consistent in itself; whether it fits the run (its timeline, chunk and count) is
/// for the receiver to check.
public struct FrameHeader: Hashable, Sendable {
    /// What a frame is for.
    public enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        /// The gradient sum of `node` for `chunk` at `step`, to a shard host.
        case push = 1
        /// Version `step` of `chunk`, from a shard host.
        case parameters = 2
        /// The scalars of `node` at `step`: losses, counts, squared norms.
        case statistics = 3
        /// The sender wants every version from `step` on.
        case attach = 4
        /// The sender misses version `step` of `chunk`.
        case parameterRequest = 5
        /// The sender misses the push of `node` for `chunk` at `step`.
        case resendRequest = 6
        /// One section of the state of `chunk` just before `step` applies.
        case snapshot = 7
        /// A host of shards wants the state of its chunks at the timeline's first version, by the map of `generation`.
        case shardRequest = 8
        /// All chunks of the sender have reached version `step`, by the map of `generation`.
        case applied = 9
        /// The squared norms of the segments of the sender's chunks at `step`.
        case norms = 10
        /// `step` may be applied; the payload is the factor of the gradient.
        case apply = 11
        /// A snapshot is wanted of version `step`.
        case captureRequest = 12
        /// The sender cannot copy version `step` any more; the payload is the latest version of any of its chunks.
        case captureMissed = 13

        /// Whether the frame is named by a node of the reduction tree.
        public var hasNode: Bool { self == .push || self == .statistics || self == .resendRequest }
        /// Whether the frame may carry a payload.
        public var hasPayload: Bool {
            switch self {
            case .push, .parameters, .statistics, .snapshot, .norms, .apply, .captureMissed: true
            case .attach, .parameterRequest, .resendRequest, .shardRequest, .applied, .captureRequest: false
            }
        }
    }

    /// How the elements of the payload are written, little-endian.
    public enum Encoding: UInt8, Hashable, Sendable, CaseIterable {
        case f32 = 1
        case f64 = 2

        /// Bytes of one element.
        public var elementBytes: Int { self == .f32 ? 4 : 8 }
    }

    /// Single-bit properties.
    public struct Flags: OptionSet, Hashable, Sendable {
        /// The bits.
        public let rawValue: UInt16
        /// The flags of these bits.
        public init(rawValue: UInt16) { self.rawValue = rawValue }
        /// The last frame of a sequence, such as the frames of a snapshot.
        public static let last = Flags(rawValue: 1)
        /// The frame belongs to a probe: its `step` counts rounds, and its payload is a direction, a product or partial sums.
        public static let probe = Flags(rawValue: 2)
        /// A snapshot's frame is of a version that was asked for.
        public static let requested = Flags(rawValue: 4)
        /// A snapshot's frame is of a version that may be probed, for the coordinator to probe it.
        public static let probed = Flags(rawValue: 8)
        /// The norms are those of a step that waits for `apply`.
        public static let held = Flags(rawValue: 16)
        /// The payload lies in the sender's memory, which the receiver has open: of parameters at their place, of a push in the outbox of
        /// the number `section`.
        public static let shared = Flags(rawValue: 32)
        /// The sender has the receiver's memory open.
        public static let reads = Flags(rawValue: 64)
        /// The bits that this version knows.
        static let known: Flags = [.last, .probe, .requested, .probed, .held, .shared, .reads]
    }

    /// What the frame is for.
    public var kind: Kind
    /// How the elements are written.
    public var encoding: Encoding
    /// Single-bit properties.
    public var flags: Flags
    /// Which array of a chunk a snapshot carries: 0 the parameters, then the optimizer's moments; which of the sender's outboxes holds a
    /// push. Zero in other kinds.
    public var section: UInt16
    /// The history that the frame belongs to.
    public var timeline: Timeline
    /// The membership under which the frame was sent.
    public var generation: Generation
    /// The step of a push, the version of parameters.
    public var step: Step
    /// The chunk that the payload belongs to.
    public var chunk: ChunkIndex
    /// The tree node that names a push; nil for kinds that have none.
    public var node: TreeNode?
    /// Elements of the payload.
    public var count: Int
    /// Who sent the frame. Any value; the receiver compares it with the connection's peer.
    public var sender: WorkerID
    /// The check of the payload, computed and verified with the addition by whoever touches the payload.
    public var payloadChecksum: UInt32

    /// A header to send. `node` is given exactly for the kinds that have one, and `count` is 0 for the kinds without a payload.
    public init(
        kind: Kind, encoding: Encoding = .f32, flags: Flags = [], section: UInt16 = 0, timeline: Timeline, generation: Generation,
        step: Step, chunk: ChunkIndex = ChunkIndex(rawValue: 0), node: TreeNode? = nil, count: Int = 0, sender: WorkerID,
        payloadChecksum: UInt32 = 0
    ) {
        self.kind = kind
        self.encoding = encoding
        self.flags = flags
        self.section = section
        self.timeline = timeline
        self.generation = generation
        self.step = step
        self.chunk = chunk
        self.node = node
        self.count = count
        self.sender = sender
        self.payloadChecksum = payloadChecksum
    }

    /// Bytes of the payload.
    public var payloadBytes: Int { count * encoding.elementBytes }

    /// Bytes of the payload that travel with the header.
    public var sentBytes: Int { flags.contains(.shared) ? 0 : payloadBytes }

    /// Whether the frame may name a section of a chunk, or an outbox.
    static func hasSection(_ kind: Kind, _ flags: Flags) -> Bool { kind == .snapshot || kind == .push && flags.contains(.shared) }
}

extension FrameHeader {
    /// The version of the header and of the rules for data frames.
    public static let protocolVersion: UInt16 = 3
    /// Bytes of an encoded header, a multiple of 8.
    public static let byteCount = 64
    /// The first four bytes of every header, "PLMB".
    public static let magic: UInt32 = 0x424D_4C50
    /// Bytes that a payload may have: a chunk of 1 MiB, and 64 KiB for the statistics' rows and a seal's tag.
    public static let payloadBytesMax = (1 << 20) + (1 << 16)
    /// Partitions that a run may have; the bound of a node.
    public static let partitionsMax = 65_536
    /// Arrays that a chunk's snapshot may have.
    public static let sectionsMax = 8
}
