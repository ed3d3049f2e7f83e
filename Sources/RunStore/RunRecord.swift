import Foundation
import GRDB

/// The metrics of a run: `run.sqlite`, whose tables `docs/run-record.md` describes.
///
/// Rows are gathered and written in one transaction by `flush`; one thread at a time uses a record.
public final class RunRecord {
    /// The version of the tables.
    public static let schemaVersion = 4

    private let queue: DatabaseQueue
    private var pending: [PendingRow] = []
    /// Rows of an earlier history that the present one must repeat where it has them, by table, step and the columns that name them.
    private var expected: [String: [Int64: [[DatabaseValue]: [DatabaseValue]]]] = [:]
    private var difference: ReplayDifference?
    /// Whether an earlier plumb began the record: its diagnostics may be defined otherwise, so they are no measure for this one's.
    private let isContinued: Bool

    /// A value that an earlier history of the run saw otherwise.
    public struct ReplayDifference: Error, Hashable, Sendable, CustomStringConvertible {
        public var table: String
        public var step: Int64
        public var before: String
        public var now: String

        public var description: String {
            "replaying step \(step) gave another row of \(table) than before (\(before); now \(now)), so the same bits are not kept and "
                + "the run stops; look for a machine that computes wrongly, or for a changed build"
        }
    }

    /// Whether an error is one that passes: the disk takes nothing now, or another program reads at the moment.
    public static func passes(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        return [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_BUSY, .SQLITE_LOCKED].contains(error.resultCode.primaryResultCode)
    }

    /// Opens a record that somebody else may be writing, to read it and nothing else. Blocking.
    ///
    /// - Throws: `RunRecordError`.
    public init(reading path: String) throws {
        queue = try RecordFile.openForReading(path)
        isContinued = false
    }

    /// Opens the record at `path`, with its tables. Blocking.
    ///
    /// - Parameter isWriter: whether the record is this plumb's from now on; a look before that must leave it to be seen whose it was.
    /// - Throws: `RunRecordError` when a newer plumb made it, or what SQLite says.
    public init(path: String, isWriter: Bool = true) throws {
        queue = try RecordFile.openForWriting(path)
        let version = try queue.read {
            try String.fetchOne($0, sql: "SELECT value FROM meta WHERE key = 'schema_version'").flatMap(Int.init)
        }
        isContinued = version.map { $0 < Self.schemaVersion } ?? false
        if !isWriter { return }
        add("INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)", [String(Self.schemaVersion)])
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        add("INSERT OR IGNORE INTO meta VALUES ('begun_unix_ms', ?)", [String(now)])
        try flush()
    }

    private struct PendingRow {
        var sql: String
        var arguments: StatementArguments
        /// Whether its values are under the law of the same bits.
        var isLawful = false
    }

    private func add(_ sql: String, _ arguments: StatementArguments) { pending.append(PendingRow(sql: sql, arguments: arguments)) }

    /// Writes what was gathered, in one transaction. Blocking.
    public func flush() throws {
        if let difference { throw difference }
        if pending.isEmpty { return }
        let rows = pending
        try queue.write { database in
            for row in rows { try database.cachedStatement(sql: row.sql).execute(arguments: row.arguments) }
        }
        // What the disk did not take is kept for the next time.
        pending.removeAll(keepingCapacity: true)
    }

    /// Rows that wait for `flush`.
    public var pendingRows: Int { pending.count }

    /// Goes back to version `step`: what is recorded from there on must equal what was recorded before.
    ///
    /// Steps and validations are written again. Diagnostics stay, for the budget may pass over what was measured then, unless an earlier
    /// plumb began the record: then they are measured anew. Blocking.
    public func beginReplay(from step: UInt64) throws {
        try flush()
        let first = Int64(step)
        expected = [:]
        try queue.write { database in
            if isContinued {
                for table in Self.lasting {
                    try database.execute(sql: "DELETE FROM \(table) WHERE step >= ?", arguments: [first])
                }
            }
            for table in Self.names.keys {
                for row in try Row.fetchAll(database, sql: "SELECT * FROM \(table) WHERE step >= ?", arguments: [first]) {
                    guard let at: Int64 = row["step"] else { continue }
                    let values = Array(row.databaseValues)
                    expected[table, default: [:]][at, default: [:]][Self.name(of: values, in: table)] = values
                }
            }
            for table in ["steps", "validations", "step_timings", "worker_timings", "contributions"] {
                try database.execute(sql: "DELETE FROM \(table) WHERE step >= ?", arguments: [first])
            }
        }
    }

    /// The tables under the law of the same bits, and the columns that name a row of a step.
    private static let names = ["steps": 0..<0, "validations": 1..<2, "layer_diagnostics": 1..<4, "spectra": 2..<3]
    /// Those whose rows outlive a return to an earlier version.
    private static let lasting: Set<String> = ["layer_diagnostics", "spectra"]

    private static func name(of row: [DatabaseValue], in table: String) -> [DatabaseValue] { Array(row[names[table] ?? 0..<0]) }

    /// Adds a row whose values are under the law of the same bits: on a replay they must be those of before.
    private func addRepeatable(_ table: String, _ step: UInt64, _ values: [(any DatabaseValueConvertible)?]) {
        // SQLite keeps NaN as NULL, so that is what a replay must find.
        let row = values.map { ($0 as? Double)?.isNaN == true ? .null : $0?.databaseValue ?? .null }
        let at = Int64(step)
        if let before = expected[table]?[at]?.removeValue(forKey: Self.name(of: row, in: table)) {
            if before != row && difference == nil {
                let place = zip(before, row).first { $0 != $1 }
                difference = ReplayDifference(
                    table: table, step: at, before: place.map { "\($0.0)" } ?? "", now: place.map { "\($0.1)" } ?? "")
            }
            if Self.lasting.contains(table) { return }
        }
        let places = row.map { _ in "?" }.joined(separator: ", ")
        pending.append(
            PendingRow(sql: "INSERT INTO \(table) VALUES (\(places))", arguments: StatementArguments(row), isLawful: true))
    }

    /// The best validation so far and the last one, as a resumed run finds them. Blocking.
    public func validationsSoFar() throws -> (best: (step: UInt64, accuracy: Double, loss: Double)?, last: (Double, Double, Int)?) {
        try flush()
        return try queue.read { database in
            let best = try Row.fetchOne(
                database, sql: "SELECT * FROM validations WHERE split = 'validation' AND is_best ORDER BY step DESC LIMIT 1")
            let last = try Row.fetchOne(
                database, sql: "SELECT * FROM validations WHERE split = 'validation' ORDER BY step DESC LIMIT 1")
            return (
                best.map { (UInt64($0["step"] as Int64), $0["accuracy"], $0["loss"] ?? .nan) },
                last.map { ($0["loss"] ?? .nan, $0["accuracy"], $0["count"]) }
            )
        }
    }

    /// A fact of the run, once written. Blocking.
    public func readMeta(_ key: String) throws -> String? {
        try flush()
        return try queue.read { try String.fetchOne($0, sql: "SELECT value FROM meta WHERE key = ?", arguments: [key]) }
    }

    /// The last step recorded, and its loss. Blocking.
    public func lastStep() throws -> (step: UInt64, trainLoss: Double)? {
        try flush()
        return try queue.read { database in
            try Row.fetchOne(database, sql: "SELECT step, train_loss FROM steps ORDER BY step DESC LIMIT 1").map {
                (UInt64($0["step"] as Int64), $0["train_loss"] ?? .nan)
            }
        }
    }

    /// Microbatches that counted, by worker. Blocking.
    public func contributions() throws -> [String: Int] {
        try flush()
        return try queue.read { database in
            let rows = try Row.fetchAll(
                database, sql: "SELECT worker, SUM(microbatches) AS total FROM contributions GROUP BY worker")
            return Dictionary(uniqueKeysWithValues: rows.map { ($0["worker"], $0["total"]) })
        }
    }

    /// What the record knows of a diagnostic's cost.
    public struct MeasurementCost: Hashable, Sendable {
        public var name: String
        /// Seconds, of all its measurements and of the last one.
        public var (all, last): (Double, Double)
        /// The last version measured, of those asked about; nil when all are later.
        public var version: UInt64?
    }

    /// What each diagnostic has cost, later versions than `version` included, and the wall time of all steps recorded, in seconds.
    /// Blocking.
    public func costs(upTo version: UInt64) throws -> (measurements: [MeasurementCost], stepSeconds: Double) {
        try flush()
        return try queue.read { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT name, SUM(seconds) AS total, MAX(CASE WHEN step <= ? THEN step END) AS version,
                      (SELECT seconds FROM measurements AS later WHERE later.name = measurements.name ORDER BY step DESC LIMIT 1) AS last
                    FROM measurements GROUP BY name ORDER BY name
                    """, arguments: [Int64(version)])
            let measurements = rows.map { row in
                MeasurementCost(
                    name: row["name"], all: row["total"], last: row["last"], version: (row["version"] as Int64?).map { UInt64($0) })
            }
            return (measurements, try Double.fetchOne(database, sql: "SELECT TOTAL(wall_seconds) FROM step_timings") ?? 0)
        }
    }

    /// How often each diagnostic was taken, by name. Blocking.
    public func measurementCounts() throws -> [String: Int] {
        try flush()
        return try queue.read { database in
            let rows = try Row.fetchAll(database, sql: "SELECT name, COUNT(*) AS taken FROM measurements GROUP BY name")
            return Dictionary(uniqueKeysWithValues: rows.map { ($0["name"], $0["taken"]) })
        }
    }

    /// How many microbatches of each worker counted in a step.
    public func contribution(_ step: UInt64, worker: String, microbatches: Int) {
        add("INSERT OR REPLACE INTO contributions VALUES (?, ?, ?)", [Int64(step), worker, microbatches])
    }

    /// Writes what may still be said of a run that failed, and closes the file: rows that broke the law are left out.
    public func abandon() throws {
        if difference != nil {
            pending.removeAll(where: \.isLawful)
            difference = nil
        }
        try close()
    }

    /// Writes what was gathered and closes the file, the write-ahead log merged.
    public func close() throws {
        try flush()
        try queue.close()
    }

    public func meta(_ key: String, _ value: String) { add("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, value]) }

    public func step(
        _ step: UInt64, trainLoss: Double, trainAccuracy: Double, gradientNorm: Double?, clipScale: Double, learningRate: Double
    ) {
        addRepeatable(
            "steps", step,
            [Int64(step), trainLoss, trainAccuracy, gradientNorm, clipScale, learningRate])
    }

    public func stepTiming(_ step: UInt64, wallSeconds: Double, samplesPerSecond: Double, workers: Int) {
        add("INSERT OR REPLACE INTO step_timings VALUES (?, ?, ?, ?)", [Int64(step), wallSeconds, samplesPerSecond, workers])
    }

    /// Where a worker's time went in a step; compute, exposed and wait add up to it, in seconds.
    public func workerTiming(
        _ step: UInt64, worker: String, compute: Double, exposed: Double, wait: Double, waitedFor: String?, optimizer: Double
    ) {
        add(
            "INSERT OR REPLACE INTO worker_timings VALUES (?, ?, ?, ?, ?, ?, ?)",
            [Int64(step), worker, compute, exposed, wait, waitedFor, optimizer])
    }

    public func validation(_ step: UInt64, split: String, loss: Double, accuracy: Double, count: Int, isBest: Bool) {
        addRepeatable("validations", step, [Int64(step), split, loss, accuracy, count, isBest])
    }

    /// One quantity of one diagnostic; `layer` nil for the whole network, `value` nil with a reason for n/a.
    public func diagnostic(
        _ step: UInt64, layer: Int?, diagnostic: String, quantity: String, value: Double?, uncertainty: Double?, reason: String?
    ) {
        addRepeatable(
            "layer_diagnostics", step,
            [Int64(step), layer, diagnostic, quantity, value, uncertainty, reason])
    }

    /// That a diagnostic was taken of version `step`: how long it took, and how many versions that were due the budget had passed over.
    public func measurement(_ step: UInt64, name: String, seconds: Double, skipped: Int) {
        add("INSERT OR REPLACE INTO measurements VALUES (?, ?, ?, ?)", [Int64(step), name, seconds, skipped])
    }

    /// Singular values, descending, as little-endian float32: the largest of a matrix that has `total` of them, or all.
    ///
    /// `residual` is the largest of the distances within which each is known; nil without a value.
    public func spectrum(_ step: UInt64, layer: Int, tensor: String, singularValues: [Float], total: Int, residual: Double?) {
        let bytes = singularValues.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) } }
        addRepeatable("spectra", step, [Int64(step), layer, tensor, singularValues.count, Data(bytes), total, residual])
    }

    public func membership(
        generation: UInt32, step: UInt64, worker: String, host: String, change: String, members: Int, reason: String
    ) {
        add(
            "INSERT INTO membership VALUES (?, ?, ?, ?, ?, ?, ?)",
            [Int64(generation), Int64(step), worker, host, change, members, reason])
    }

    public func event(step: UInt64, kind: String, subject: String, detail: String) {
        add(
            "INSERT INTO events(at_unix_ms, step, kind, subject, detail) VALUES (?, ?, ?, ?, ?)",
            [Int64(Date().timeIntervalSince1970 * 1000), Int64(step), kind, subject, detail])
    }

    public func checkpoint(_ step: UInt64, file: String, sha256: String, kind: String) {
        add("INSERT INTO checkpoints VALUES (?, ?, ?, ?)", [Int64(step), file, sha256, kind])
    }
}
