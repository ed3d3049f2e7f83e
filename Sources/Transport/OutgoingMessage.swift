import CZeroMQ
import Glibc

/// The parts of a message that is being sent or waits for room, in libzmq's form. Used by one thread.
@safe
final class OutgoingMessage {
    static let partsMax = 2
    /// What a waiting message costs beside its bytes, so that empty ones are bounded too.
    static let overheadBytes = 256

    let parts: UnsafeMutablePointer<zmq_msg_t> = .allocate(capacity: OutgoingMessage.partsMax)
    private(set) var partCount = 0
    private(set) var byteCount = 0

    deinit {
        clear()
        unsafe parts.deallocate()
    }

    /// Adds a part with a copy of `bytes`.
    func append(copying bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { source in
            let part = unsafe parts + partCount
            let code = unsafe zmq_msg_init_size(part, source.count)
            precondition(code == 0, "out of memory")
            if let start = source.baseAddress { unsafe memcpy(zmq_msg_data(part), start, source.count) }
        }
        count(bytes.byteCount)
    }

    /// Adds a part that libzmq reads in `buffer` itself.
    func append(sharing buffer: PayloadBuffer, _ range: Range<Int>) {
        let (bytes, hint) = unsafe buffer.sendStarted(range)
        let code = unsafe zmq_msg_init_data(parts + partCount, bytes.baseAddress, bytes.count, payloadSendEnded, hint)
        precondition(code == 0, "out of memory")
        count(range.count)
    }

    /// Takes the parts out of `other`.
    func move(from other: OutgoingMessage) {
        clear()
        for index in 0..<other.partCount {
            unsafe zmq_msg_init(parts + index)
            unsafe zmq_msg_move(parts + index, other.parts + index)
        }
        partCount = other.partCount
        byteCount = other.byteCount
        other.clear()
    }

    /// Gives the parts back; those that libzmq has taken are empty by then.
    func clear() {
        for index in 0..<partCount { unsafe zmq_msg_close(parts + index) }
        partCount = 0
        byteCount = 0
    }

    private func count(_ bytes: Int) {
        partCount += 1
        byteCount += bytes
    }
}
