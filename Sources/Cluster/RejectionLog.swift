import Logging

/// Says what was dropped, each time the count has doubled: whoever sends garbage must not fill the disk with complaints of it.
struct RejectionLog {
    private(set) var count = 0

    /// Counts one; logs it when the count is a power of two.
    mutating func note(_ message: Logger.Message, peer: String, reason: String, _ log: Logger) {
        count += 1
        guard count.nonzeroBitCount == 1 else { return }
        log.warning(message, metadata: ["peer": "\(peer)", "reason": "\(reason)", "dropped so far": "\(count)"])
    }
}
