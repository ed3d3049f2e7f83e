import CSharedMemory
import CZeroMQ
import Glibc

/// Memory that processes of one host share: made by one, which writes it, and read by the others.
///
/// It has no name in any file system: others find it through its maker's descriptor, so that it is gone with the last process that has it
/// open, however that ends. The first page holds a token, by which a reader knows that it has found what it was told of.
@safe
public final class SharedSegment: @unchecked Sendable {
    // Sendable: the pointer and its size never change; who writes what of the memory, and when, is for its users to agree.
    private let memory: UnsafeMutableRawPointer
    /// The descriptor of one's own segment.
    private let descriptor: Int32?
    /// Bytes that users have, after the first page.
    public let byteCount: Int
    /// What others need to open it: the machine's boot, the namespace of process numbers, process, descriptor, size and token.
    public let name: String

    private static let headBytes = 4096

    /// A segment of `byteCount` zeros; pages are taken as they are written.
    ///
    /// - Throws: `TransportError.system` when the system refuses.
    public init(byteCount: Int) throws(TransportError) {
        let all = Self.headBytes + byteCount
        let descriptor = unsafe plumb_shared_memory_make("plumb", all)
        guard descriptor >= 0 else { throw .system(operation: "memfd_create", code: errno) }
        guard let memory = unsafe plumb_shared_memory_map(descriptor, all, 1) else {
            let code = errno
            close(descriptor)
            throw .system(operation: "mmap", code: code)
        }
        unsafe (self.memory, self.descriptor, self.byteCount) = (memory, descriptor, byteCount)
        let token = UInt64.random(in: 1...UInt64.max)
        unsafe memory.storeBytes(of: token, as: UInt64.self)
        name = "\(Self.neighbourhood):\(getpid()):\(descriptor):\(byteCount):\(String(token, radix: 16))"
    }

    /// Another process's segment of at least `byteCount` bytes, for reading; nil when it is on another host or cannot be opened from here.
    public init?(opening name: String, byteCount: Int) {
        let parts = name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 6, "\(parts[0]):\(parts[1])" == Self.neighbourhood, let process = Int32(parts[2]), process > 0,
            let number = Int32(parts[3]), number >= 0, let size = Int(parts[4]), size == byteCount,
            let token = UInt64(parts[5], radix: 16)
        else { return nil }
        let descriptor = unsafe open("/proc/\(process)/fd/\(number)", O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        let all = Self.headBytes + byteCount
        guard plumb_shared_memory_is_sealed(descriptor) != 0, unsafe fstat(descriptor, &status) == 0, status.st_size == off_t(all),
            let memory = unsafe plumb_shared_memory_map(descriptor, all, 0)
        else { return nil }
        guard unsafe memory.load(as: UInt64.self) == token else {
            unsafe plumb_shared_memory_unmap(memory, all)
            return nil
        }
        unsafe (self.memory, self.descriptor, self.byteCount, self.name) = (memory, nil, byteCount, name)
    }

    deinit {
        unsafe plumb_shared_memory_unmap(memory, Self.headBytes + byteCount)
        if let descriptor { close(descriptor) }
    }

    /// The memory after the first page, on a page's boundary; writing it is for its maker alone.
    @unsafe
    public var bytes: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: memory + Self.headBytes, count: byteCount)
    }

    /// Processes of one boot and one namespace find each other's descriptors.
    private static let neighbourhood: String = {
        let boot = contents(of: "/proc/sys/kernel/random/boot_id")
        var buffer = [CChar](repeating: 0, count: 64)
        let count = unsafe readlink("/proc/self/ns/pid", &buffer, buffer.count - 1)
        let digits = buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }.filter { (48...57).contains($0) }
        return "\(boot):\(String(decoding: digits, as: UTF8.self))"
    }()

    private static func contents(of path: String) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "unknown" }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = unsafe read(descriptor, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(0, count)).filter { $0 > 32 }, as: UTF8.self)
    }
}

extension SharedSegment {
    /// A stamp says what lies in a piece of the memory; 0 while the piece is written. Stamps lie at multiples of 8 bytes.
    public struct Stamp: Sendable {
        let segment: SharedSegment
        let offset: Int

        private var place: UnsafeMutablePointer<UInt64> {
            unsafe (segment.bytes.baseAddress! + offset).assumingMemoryBound(to: UInt64.self)
        }

        /// What lies there now, before it is read.
        public var value: UInt64 { unsafe plumb_stamp_load(place) }
        /// What lies there still, after it was read.
        public var valueAfterReading: UInt64 { unsafe plumb_stamp_reload(place) }
        /// The piece is about to be written.
        public func clear() { unsafe plumb_stamp_clear(place) }
        /// The piece holds what `value` says, and everything of it can be seen by whoever sees this.
        public func set(_ value: UInt64) { unsafe plumb_stamp_set(place, value) }
    }

    /// The stamp at `offset`, a multiple of 8.
    public func stamp(at offset: Int) -> Stamp {
        precondition(offset >= 0 && offset + 8 <= byteCount && offset.isMultiple(of: 8), "a stamp lies in the memory")
        return Stamp(segment: self, offset: offset)
    }
}
