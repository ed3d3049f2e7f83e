import Foundation
import GRDB

/// The metrics of a run: `run.sqlite`, whose tables `docs/run-record.md` describes.
///
/// Rows are gathered and written in one transaction by `flush`; one thread at a time uses a record.
public final class RunRecord {
    /// The version of the tables.
    public static let schemaVersion = 1

    private let queue: DatabaseQueue
    private var pending: [(sql: String, arguments: StatementArguments)] = []

    /// Opens the record at `path`, with its tables. Blocking.
    public init(path: String) throws {
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            // WAL and NORMAL: a crash of the machine may lose the last rows, never the database; a checkpoint is what a run resumes from.
            try database.execute(sql: "PRAGMA synchronous = NORMAL")
        }
        queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = WAL") }
        try queue.write { try $0.execute(sql: Self.schema) }
        add("INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)", [String(Self.schemaVersion)])
        try flush()
    }

    private func add(_ sql: String, _ arguments: StatementArguments) { pending.append((sql, arguments)) }

    /// Writes what was gathered, in one transaction. Blocking.
    public func flush() throws {
        if pending.isEmpty { return }
        let rows = pending
        pending.removeAll(keepingCapacity: true)
        try queue.write { database in
            for row in rows { try database.cachedStatement(sql: row.sql).execute(arguments: row.arguments) }
        }
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
        add(
            "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?)",
            [Int64(step), trainLoss, trainAccuracy, gradientNorm, clipScale, learningRate])
    }

    public func stepTiming(_ step: UInt64, wallSeconds: Double, samplesPerSecond: Double, workers: Int) {
        add("INSERT INTO step_timings VALUES (?, ?, ?, ?)", [Int64(step), wallSeconds, samplesPerSecond, workers])
    }

    public func validation(_ step: UInt64, split: String, loss: Double, accuracy: Double, count: Int, isBest: Bool) {
        add("INSERT INTO validations VALUES (?, ?, ?, ?, ?, ?)", [Int64(step), split, loss, accuracy, count, isBest])
    }

    /// One quantity of one diagnostic; `layer` nil for the whole network, `value` nil with a reason for n/a.
    public func diagnostic(
        _ step: UInt64, layer: Int?, diagnostic: String, quantity: String, value: Double?, uncertainty: Double?, reason: String?
    ) {
        add(
            "INSERT INTO layer_diagnostics VALUES (?, ?, ?, ?, ?, ?, ?)",
            [Int64(step), layer, diagnostic, quantity, value, uncertainty, reason])
    }

    /// Singular values, descending, as little-endian float32.
    public func spectrum(_ step: UInt64, layer: Int, tensor: String, singularValues: [Float]) {
        let bytes = singularValues.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) } }
        add("INSERT INTO spectra VALUES (?, ?, ?, ?, ?)", [Int64(step), layer, tensor, singularValues.count, Data(bytes)])
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

    private static let schema = """
        CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS steps(step INTEGER PRIMARY KEY, train_loss REAL NOT NULL, train_accuracy REAL NOT NULL,
          gradient_norm REAL, clip_scale REAL NOT NULL, learning_rate REAL NOT NULL);
        CREATE TABLE IF NOT EXISTS step_timings(step INTEGER PRIMARY KEY, wall_seconds REAL NOT NULL,
          samples_per_second REAL NOT NULL, workers INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS validations(step INTEGER NOT NULL, split TEXT NOT NULL, loss REAL NOT NULL, accuracy REAL NOT NULL,
          count INTEGER NOT NULL, is_best INTEGER NOT NULL, PRIMARY KEY(step, split));
        CREATE TABLE IF NOT EXISTS layer_diagnostics(step INTEGER NOT NULL, layer INTEGER, diagnostic TEXT NOT NULL,
          quantity TEXT NOT NULL, value REAL, uncertainty REAL, reason TEXT);
        CREATE INDEX IF NOT EXISTS layer_diagnostics_by_quantity ON layer_diagnostics(diagnostic, quantity, step, layer);
        CREATE TABLE IF NOT EXISTS spectra(step INTEGER NOT NULL, layer INTEGER NOT NULL, tensor TEXT NOT NULL, count INTEGER NOT NULL,
          singular_values BLOB NOT NULL, PRIMARY KEY(step, tensor));
        CREATE TABLE IF NOT EXISTS events(id INTEGER PRIMARY KEY AUTOINCREMENT, at_unix_ms INTEGER NOT NULL, step INTEGER NOT NULL,
          kind TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS membership(generation INTEGER NOT NULL, step INTEGER NOT NULL, worker TEXT NOT NULL,
          host TEXT NOT NULL, change TEXT NOT NULL, members INTEGER NOT NULL, reason TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS checkpoints(step INTEGER NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL, kind TEXT NOT NULL);
        """
}
