import CVectorKernels

/// Stores that go past the caches: for lines that another core has read, and will read again, which ordinary stores would have to take
/// from its cache first.
public enum StreamingStores {
    /// Makes what this thread has streamed visible before whatever it writes next.
    public static func finish() { plumb_streaming_finish() }

    static func copy(_ to: UnsafeMutablePointer<Float>, _ from: UnsafePointer<Float>, _ count: Int) {
        unsafe plumb_streaming_copy(to, from, count)
    }
}
