import CProcessorCores

/// The cores that this process may run on.
public enum ProcessorCores {
    /// Their numbers, ascending. Empty when the system does not say.
    public static var allowed: [Int] {
        var cores = [Int32](repeating: 0, count: 1024)
        let count = unsafe plumb_allowed_cores(&cores, Int32(cores.count))
        return cores.prefix(max(0, Int(count))).map(Int.init)
    }

    /// Keeps the calling thread, and those that it starts from now on, to `core`; false when the system refuses. Before threads begin.
    @discardableResult
    public static func keep(to core: Int) -> Bool { Int32(exactly: core).map { plumb_keep_to_core($0) == 0 } ?? false }
}
