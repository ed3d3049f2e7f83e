import Checksums
import ParameterServer

/// Where each field starts; the byte table of `docs/wire-protocol.md`.
private enum Offset {
    static let magic = 0, version = 4, kind = 6, encoding = 7, flags = 8, section = 10, timeline = 12, generation = 16, chunk = 20
    static let step = 24, lower = 32, upper = 36, count = 40, payloadBytes = 44, sender = 48, payloadChecksum = 56,
        headerChecksum = 60
}

extension FrameHeader {
    /// Writes the header into `bytes`, which then holds exactly `byteCount` bytes; no allocation when it held as many before.
    public func encode(into bytes: inout [UInt8]) {
        precondition(kind.hasNode == (node != nil), "a \(kind) frame \(kind.hasNode ? "needs a" : "has no") node")
        precondition((node?.upper ?? 0) <= Self.partitionsMax, "a node lies in the partitions")
        precondition(
            count >= 0 && payloadBytes <= (kind.hasPayload ? Self.payloadBytesMax : 0), "a \(kind) frame of \(payloadBytes) B")
        precondition(
            section == 0 || Self.hasSection(kind, flags) && Int(section) < Self.sectionsMax,
            "a \(kind) frame has no section \(section)")
        precondition(flags.isSubset(of: .known), "flags that this version does not know")
        if bytes.count != Self.byteCount { bytes = [UInt8](repeating: 0, count: Self.byteCount) }
        var span = bytes.mutableSpan
        var out = unsafe span.mutableBytes  // bytes of bytes: no padding, every value allowed
        out.write(Self.magic, at: Offset.magic)
        out.write(Self.protocolVersion, at: Offset.version)
        out.write(kind.rawValue, at: Offset.kind)
        out.write(encoding.rawValue, at: Offset.encoding)
        out.write(flags.rawValue, at: Offset.flags)
        out.write(section, at: Offset.section)
        out.write(timeline.rawValue, at: Offset.timeline)
        out.write(generation.rawValue, at: Offset.generation)
        out.write(chunk.rawValue, at: Offset.chunk)
        out.write(step, at: Offset.step)
        out.write(UInt32(node?.lower ?? 0), at: Offset.lower)
        out.write(UInt32(node?.upper ?? 0), at: Offset.upper)
        out.write(UInt32(count), at: Offset.count)
        out.write(UInt32(payloadBytes), at: Offset.payloadBytes)
        out.write(sender.rawValue, at: Offset.sender)
        out.write(payloadChecksum, at: Offset.payloadChecksum)
        let checksum = CRC32C.checksum(out.bytes.extracting(0..<Offset.headerChecksum))
        out.write(checksum, at: Offset.headerChecksum)
    }

    /// The header as bytes.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes
    }

    /// Reads a header from bytes that nobody vouches for; never traps.
    ///
    /// - Throws: `FrameError`, which names the first thing that is wrong.
    public static func decode(_ bytes: RawSpan) throws(FrameError) -> FrameHeader {
        guard bytes.byteCount == byteCount else { throw .headerLength(bytes.byteCount) }
        let magic: UInt32 = bytes.read(at: Offset.magic)
        guard magic == Self.magic else { throw .magic(magic) }
        let version: UInt16 = bytes.read(at: Offset.version)
        guard version == protocolVersion else { throw .version(version) }
        let stated: UInt32 = bytes.read(at: Offset.headerChecksum)
        let computed = CRC32C.checksum(bytes.extracting(0..<Offset.headerChecksum))
        guard stated == computed else { throw .headerChecksum(stated: stated, computed: computed) }
        return try decodeFields(bytes)
    }

    /// Reads a header from bytes that nobody vouches for; never traps.
    public static func decode(_ bytes: [UInt8]) throws(FrameError) -> FrameHeader { try decode(unsafe bytes.span.bytes) }

    private static func decodeFields(_ bytes: RawSpan) throws(FrameError) -> FrameHeader {
        let kindNumber: UInt8 = bytes.read(at: Offset.kind)
        guard let kind = Kind(rawValue: kindNumber) else { throw .kind(kindNumber) }
        let encodingNumber: UInt8 = bytes.read(at: Offset.encoding)
        guard let encoding = Encoding(rawValue: encodingNumber) else { throw .encoding(encodingNumber) }
        let flags = Flags(rawValue: bytes.read(at: Offset.flags))
        guard flags.isSubset(of: .known) else { throw .flags(flags.rawValue) }
        // Only what has a place in the sender's memory can lie there.
        guard !flags.contains(.shared) || (kind == .push || kind == .parameters) && encoding == .f32 && !flags.contains(.probe)
        else { throw .flags(flags.rawValue) }
        let section: UInt16 = bytes.read(at: Offset.section)
        guard section == 0 || hasSection(kind, flags) && Int(section) < sectionsMax else { throw .section(section, kind: kind) }
        return FrameHeader(
            kind: kind, encoding: encoding, flags: flags, section: section,
            timeline: Timeline(rawValue: bytes.read(at: Offset.timeline)),
            generation: Generation(rawValue: bytes.read(at: Offset.generation)),
            step: bytes.read(at: Offset.step), chunk: ChunkIndex(rawValue: bytes.read(at: Offset.chunk)),
            node: try decodeNode(bytes, kind: kind), count: try decodeCount(bytes, kind: kind, encoding: encoding),
            sender: WorkerID(rawValue: bytes.read(at: Offset.sender)), payloadChecksum: bytes.read(at: Offset.payloadChecksum))
    }

    private static func decodeNode(_ bytes: RawSpan, kind: Kind) throws(FrameError) -> TreeNode? {
        let lower: UInt32 = bytes.read(at: Offset.lower)
        let upper: UInt32 = bytes.read(at: Offset.upper)
        if !kind.hasNode {
            guard lower == 0 && upper == 0 else { throw .node(lower: lower, upper: upper, kind: kind) }
            return nil
        }
        guard lower < upper, upper <= UInt32(partitionsMax) else { throw .node(lower: lower, upper: upper, kind: kind) }
        return TreeNode(Int(lower), Int(upper))
    }

    private static func decodeCount(_ bytes: RawSpan, kind: Kind, encoding: Encoding) throws(FrameError) -> Int {
        let count: UInt32 = bytes.read(at: Offset.count)
        let payloadBytes: UInt32 = bytes.read(at: Offset.payloadBytes)
        guard UInt64(count) * UInt64(encoding.elementBytes) == UInt64(payloadBytes) else {
            throw .payloadSize(count: count, encoding: encoding, payloadBytes: payloadBytes)
        }
        guard payloadBytes <= UInt32(payloadBytesMax) else { throw .payloadTooLarge(payloadBytes) }
        guard count == 0 || kind.hasPayload else { throw .payloadNotAllowed(payloadBytes, kind: kind) }
        return Int(count)
    }

    /// Checks that a payload of `byteCount` bytes came with this header.
    ///
    /// - Throws: `FrameError.payloadLength` when it did not.
    public func checkPayload(byteCount: Int) throws(FrameError) {
        guard byteCount == sentBytes else { throw .payloadLength(stated: sentBytes, received: byteCount) }
    }
}

extension MutableRawSpan {
    fileprivate mutating func write<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }
}

extension RawSpan {
    /// A little-endian integer; every bit pattern is a value, and the span checks the bounds.
    fileprivate func read<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> T {
        unsafe T(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
    }
}
