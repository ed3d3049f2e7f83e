import RunStore

/// The event files of a run that goes on, brought up to date every few seconds. They are a view of the record: when they cannot be
/// written, training goes on without them.
struct EventFiles {
    private let directory: RunDirectory
    private let areWanted: Bool
    private var log: TensorBoardLog?
    private var lastUpdate: ContinuousClock.Instant?
    private var hasComplained = false
    private static let interval = Duration.seconds(2)

    /// Nothing is written before the first update.
    init(of directory: RunDirectory, areWanted: Bool) { (self.directory, self.areWanted) = (directory, areWanted) }

    /// Appends what has been recorded, if it is time or this is the last chance. Blocking.
    ///
    /// - Returns: what to tell the user, once, when the files cannot be written.
    mutating func update(isLast: Bool) -> String? {
        let isDue = lastUpdate.map { ContinuousClock.now - $0 >= Self.interval } ?? true
        guard areWanted, isDue || isLast else { return nil }
        lastUpdate = .now
        do {
            let log = try log ?? TensorBoardLog(of: directory.recordPath, in: directory.tensorboardPath)
            // An open reader would keep the record from merging its write-ahead log when it is closed.
            self.log = isLast ? nil : log
            try log.update()
            return nil
        } catch {
            // What is written may end in half an entry.
            log = nil
            defer { hasComplained = true }
            return hasComplained
                ? nil : "\(directory.tensorboardPath) cannot be written (\(error)); training goes on, and it is tried again"
        }
    }

    /// Begins a new file at the next update, for a history that differs from what is written.
    mutating func beginAgain() { (log, lastUpdate) = (nil, nil) }
}
