import Synchronization

/// Memory for payloads on a 64-byte boundary, made once and used again, from which frames are sent without a copy.
///
/// While frames of it are in flight it must not change; `isInFlight` says when that is over. Zeroed when made.
@safe
public final class PayloadBuffer: @unchecked Sendable {
    // Sendable: written only through `withMutable…`, which traps while frames are in flight; the writer and the sender are one thread at
    // a time, which the owner sees to.
    private let memory: UnsafeMutableRawBufferPointer
    /// Whose memory it is; nil when it is the buffer's own.
    private let owner: (any AnyObject & Sendable)?
    private let framesInFlight = Atomic<Int>(0)
    /// Who counts the bytes of a buffer that is sent once.
    private let line: SendLine?

    /// The boundary on which the memory begins.
    public static let alignment = 64

    /// `byteCount` zero bytes.
    public init(byteCount: Int) {
        precondition(byteCount >= 0, "a buffer cannot have fewer than zero bytes")
        unsafe memory = .allocate(byteCount: max(byteCount, 1), alignment: Self.alignment)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
        self.byteCount = byteCount
        (owner, line) = (nil, nil)
    }

    /// The memory of `owner`, which is kept alive until the last frame is sent and must not change while frames are in flight.
    ///
    /// The caller vouches for both; the buffer cannot be written through this object. With a `line`, all of it is sent, once.
    @unsafe
    public init(reading bytes: UnsafeRawBufferPointer, of owner: any AnyObject & Sendable, line: SendLine? = nil) {
        unsafe memory = UnsafeMutableRawBufferPointer(mutating: bytes)
        byteCount = bytes.count
        (self.owner, self.line) = (owner, line)
    }

    deinit {
        if owner == nil { unsafe memory.deallocate() }
    }

    /// The bytes of the buffer.
    public let byteCount: Int

    /// Whether libzmq still reads the memory. It turns false on libzmq's I/O thread, shortly after the last byte has left.
    public var isInFlight: Bool { framesInFlight.load(ordering: .acquiring) != 0 }

    /// Calls `body` with the bytes.
    public func withBytes<Result, Failure: Error>(_ body: (RawSpan) throws(Failure) -> Result) throws(Failure) -> Result {
        try body(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[..<byteCount])))
    }

    /// Calls `body` with the bytes for writing, which nobody else may touch meanwhile. Traps while frames are in flight.
    public func withMutableBytes<Result, Failure: Error>(
        _ body: (inout MutableRawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(owner == nil && !isInFlight, "the buffer is being sent, or another's")
        var span = unsafe MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: memory[..<byteCount]))
        return try body(&span)
    }

    /// Calls `body` with the buffer's whole float32 elements for writing. Traps while frames are in flight.
    public func withMutableFloats<Result, Failure: Error>(
        _ body: (inout MutableSpan<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(owner == nil && !isInFlight, "the buffer is being sent, or another's")
        let count = byteCount / MemoryLayout<Float>.stride
        let floats = unsafe UnsafeMutableBufferPointer(
            start: memory.baseAddress?.bindMemory(to: Float.self, capacity: count), count: count)
        var span = unsafe MutableSpan(_unsafeElements: floats)
        return try body(&span)
    }

    /// The bytes of `range` for libzmq to read until `sendEnded`; keeps the buffer alive and counts the frame.
    func sendStarted(_ range: Range<Int>) -> (bytes: UnsafeMutableRawBufferPointer, hint: UnsafeMutableRawPointer) {
        framesInFlight.add(1, ordering: .relaxed)
        line?.entered(byteCount)
        return unsafe (UnsafeMutableRawBufferPointer(rebasing: memory[range]), Unmanaged.passRetained(self).toOpaque())
    }

    /// Runs on libzmq's I/O thread: atomic counts and a release, no lock.
    fileprivate func sendEnded() {
        framesInFlight.subtract(1, ordering: .releasing)
        line?.left(byteCount)
    }
}

/// What libzmq calls once it no longer needs the bytes of a frame.
func payloadSendEnded(_ data: UnsafeMutableRawPointer?, _ hint: UnsafeMutableRawPointer?) {
    guard let hint = unsafe hint else { return }
    let buffer = unsafe Unmanaged<PayloadBuffer>.fromOpaque(hint).takeRetainedValue()
    buffer.sendEnded()
}
