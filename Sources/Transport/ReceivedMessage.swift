import CZeroMQ
import ParameterServer

/// A message as it arrived: its parts are read in libzmq's own memory.
///
/// A handler that keeps a reference keeps the message, without a copy; otherwise its memory is used for the next one.
/// The bytes of a part may be unaligned.
@safe
public final class ReceivedMessage: @unchecked Sendable {
    // Sendable: the socket's thread writes the parts only while nobody else has a reference, and never again once somebody has. The window
    // is that thread's alone: whoever keeps a reference has the address of what it reads. libzmq counts the references to a shared
    // block atomically, so that any thread may free it.

    /// The worker that sent it; nil when a dealer received it from its only peer.
    public internal(set) var peer: WorkerID?
    /// The number of parts, at least one.
    public internal(set) var partCount = 0

    /// What readers of one part see of it.
    private var window: (part: Int, bytes: Range<Int>)?

    let partsMax: Int
    let parts: UnsafeMutablePointer<zmq_msg_t>

    init(partsMax: Int) {
        self.partsMax = partsMax
        unsafe parts = .allocate(capacity: partsMax)
    }

    deinit {
        clear()
        unsafe parts.deallocate()
    }

    /// Calls `body` with the bytes of a part, which it may read until it returns.
    public func withPart<Result, Failure: Error>(
        _ index: Int, _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition((0..<partCount).contains(index), "the message has no part of this number")
        return try body(unsafe RawSpan(_unsafeBytes: bytes(index)))
    }

    /// Shows whoever reads a part from now on these of its bytes alone: one of several payloads that share it.
    public func narrow(part: Int, to bytes: Range<Int>) {
        precondition(bytes.lowerBound >= 0 && bytes.upperBound <= wholeByteCount(ofPart: part), "the bytes are in the part")
        window = (part, bytes)
    }

    private func bytes(_ index: Int) -> UnsafeRawBufferPointer {
        let part = unsafe parts + index
        let whole = unsafe UnsafeRawBufferPointer(start: zmq_msg_data(part), count: zmq_msg_size(part))
        guard let window, window.part == index else { return unsafe whole }
        return unsafe UnsafeRawBufferPointer(rebasing: whole[window.bytes])
    }

    /// Calls `body` with the memory of a part, which stays for as long as the message is kept.
    @unsafe
    public func withUnsafePart<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        precondition((0..<partCount).contains(index), "the message has no part of this number")
        return unsafe body(bytes(index))
    }

    /// The bytes that readers of a part see.
    public func byteCount(ofPart index: Int) -> Int {
        if let window, window.part == index { return window.bytes.count }
        return wholeByteCount(ofPart: index)
    }

    /// All bytes of a part.
    public func wholeByteCount(ofPart index: Int) -> Int {
        precondition((0..<partCount).contains(index), "the message has no part of this number")
        return unsafe zmq_msg_size(parts + index)
    }

    /// A copy of the bytes of a part.
    public func bytes(ofPart index: Int) -> [UInt8] {
        withPart(index) { bytes in unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) } }
    }

    /// The bytes of all parts together.
    public var byteCount: Int { (0..<partCount).reduce(0) { unsafe $0 + zmq_msg_size(parts + $1) } }

    /// Gives the memory of the parts back.
    func clear() {
        for index in 0..<partCount { unsafe zmq_msg_close(parts + index) }
        partCount = 0
        peer = nil
        window = nil
    }
}
