import Foundation

/// The event files of a run in a directory: what its record holds, as TensorBoard reads it.
///
/// `run.sqlite` is the truth: a log begins a file of its own with everything that is recorded, removes the files that earlier logs of
/// runs left there, and from then on appends what each `update` finds. So a history that was taken back leaves nothing behind: make a
/// new log after a resumption or a rollback. A TensorBoard that is open drops what it had read, since the file begins with a restart.
///
/// Used by one thread; every call blocks. At most one log works in a directory.
public final class TensorBoardLog {
    /// The directory of the event files.
    public let path: String
    private let history: RunHistory
    private let disk = PosixDisk()
    private var file: Int32?
    /// Numbers of the last rows that are in the file.
    private var (lastStep, lastValidation, lastQuantity, lastSpectrum): (Int64, Int64, Int64, Int64) = (-1, 0, 0, 0)
    private var clock: StepClock
    private static let rowsAtOnce = 4096

    /// Begins an event file in the directory `path`, made where it is missing, for the record at `recordPath`.
    ///
    /// - Throws: `SystemError`, or what SQLite says.
    public init(of recordPath: String, in path: String, at time: Date = Date()) throws {
        self.path = path
        history = try RunHistory(reading: recordPath)
        let begin = try history.meta("begun_unix_ms").flatMap(Double.init).map { $0 / 1000 }
        clock = StepClock(begin: begin ?? 0)
        try makeDirectories(path)
        let earlier = try disk.names(in: path).filter(Self.isOurs)
        let file = try disk.create("\(path)/\(Self.fileName(after: earlier, at: time))")
        self.file = file
        try append([
            TensorBoardEvent(wallTime: clock.begin, step: 0, content: .fileVersion),
            TensorBoardEvent(wallTime: clock.begin, step: 0, content: .restart),
        ])
        for name in earlier { try disk.remove("\(path)/\(name)") }
    }

    deinit { if let file { disk.close(file) } }

    /// Appends what has been recorded since the last update. O(new rows).
    ///
    /// - Throws: `SystemError`, or what SQLite says. The file may then end in half an entry: go on with a new log.
    public func update() throws {
        try append(fetching: { try history.steps(after: lastStep, limit: Self.rowsAtOnce) }) { row in
            lastStep = row.step
            clock.append(row.seconds ?? 0, of: row.step)
            return (row.step, RunScalars.values(row))
        }
        try append(fetching: { try history.validations(after: lastValidation, limit: Self.rowsAtOnce) }) { row in
            lastValidation = row.row
            return (row.step, RunScalars.values(row))
        }
        try append(fetching: { try history.quantities(after: lastQuantity, limit: Self.rowsAtOnce) }) { row in
            lastQuantity = row.row
            return (row.step, RunScalars.values(row))
        }
        // A spectrum has thousands of bytes.
        try append(fetching: { try history.spectra(after: lastSpectrum, limit: 256) }) { row in
            lastSpectrum = row.row
            return (row.step, RunScalars.values(row))
        }
    }

    /// Appends rows until none is left; those of one step that follow each other become one entry.
    private func append<Row>(fetching rows: () throws -> [Row], _ values: (Row) -> (Int64, [TensorBoardEvent.Value])) throws {
        while true {
            let rows = try rows()
            if rows.isEmpty { return }
            var (events, gathered): ([TensorBoardEvent], [TensorBoardEvent.Value]) = ([], [])
            var current: Int64 = 0
            func closeEntry() {
                if gathered.isEmpty { return }
                events.append(TensorBoardEvent(wallTime: clock.time(of: current), step: current, content: .values(gathered)))
                gathered = []
            }
            for row in rows {
                let (step, values) = values(row)
                if step != current { closeEntry() }
                current = step
                gathered += values
            }
            closeEntry()
            try append(events)
        }
    }

    private func append(_ events: [TensorBoardEvent]) throws(SystemError) {
        guard let file else { return }
        let bytes = events.flatMap { $0.framed() }
        try unsafe disk.write(bytes.span.bytes, to: file)
    }

    /// Files that a log has made: TensorBoard looks for `tfevents` in a name, and others may keep theirs beside ours.
    private static func isOurs(_ name: String) -> Bool { name.hasPrefix(prefix) && name.hasSuffix(suffix) }

    private static let (prefix, suffix) = ("events.out.tfevents.", ".plumb")

    /// A name that comes after every earlier one: TensorBoard reads a directory in the order of the names, and never goes back.
    private static func fileName(after earlier: [String], at time: Date) -> String {
        let numbers = earlier.compactMap { Int64($0.dropFirst(prefix.count).dropLast(suffix.count)) }
        let number = max(Int64(time.timeIntervalSince1970 * 1000), (numbers.max() ?? 0) + 1)
        return "\(prefix)\(number)\(suffix)"
    }
}
