import Foundation
import GRDB

/// A run's record, `run.sqlite`, for those who look at it while or after it is written: in pieces, in the order of the writing.
///
/// Every call blocks and throws `RunRecordError`. Rows have numbers that grow within a table until a replay takes rows out.
public final class RunHistory {
    private let path: String
    private let queue: DatabaseQueue

    /// Opens the record at `path`, to read it and nothing else.
    public init(reading path: String) throws {
        self.path = path
        queue = try RecordFile.openForReading(path)
    }

    public func close() throws { try queue.close() }

    /// A fact of the run.
    public func meta(_ key: String) throws -> String? {
        try read { try String.fetchOne($0, sql: "SELECT value FROM meta WHERE key = ?", arguments: [key]) }
    }

    public struct Step: Hashable, Sendable {
        public var step: Int64
        /// NaN where the record has none.
        public var trainLoss: Double
        public var trainAccuracy: Double
        public var gradientNorm: Double?
        public var learningRate: Double
        /// Wall time of the step; nil where it is not known.
        public var seconds: Double?
        public var samplesPerSecond: Double?
    }

    /// Up to `limit` steps after number `row`, ascending.
    public func steps(after row: Int64 = -1, limit: Int = .max) throws -> [Step] {
        let sql = """
            SELECT s.*, t.wall_seconds, t.samples_per_second FROM steps s LEFT JOIN step_timings t USING (step)
            WHERE s.step > ? ORDER BY s.step LIMIT ?
            """
        return try read { database in
            try Row.fetchAll(database, sql: sql, arguments: [row, limit]).map { row in
                Step(
                    step: row["step"], trainLoss: row["train_loss"] ?? .nan, trainAccuracy: row["train_accuracy"],
                    gradientNorm: row["gradient_norm"], learningRate: row["learning_rate"], seconds: row["wall_seconds"],
                    samplesPerSecond: row["samples_per_second"])
            }
        }
    }

    /// Where the time of a run's steps went, in all, in seconds of workers.
    public struct TimeShares: Hashable, Sendable {
        public var compute: Double
        public var exposed: Double
        public var wait: Double
        public var optimizer: Double
        /// Who was waited for the longest, and how long; nil when nobody was.
        public var waitedFor: Longest?

        public struct Longest: Hashable, Sendable {
            public var worker: String
            public var seconds: Double
        }
    }

    /// Sums over all workers and steps; nil when the record has no such rows, as one of an earlier plumb.
    public func timeShares() throws -> TimeShares? {
        try read { database in
            guard try database.tableExists("worker_timings") else { return nil }
            let sums = try Row.fetchOne(
                database,
                sql: """
                    SELECT SUM(compute_seconds) AS compute, SUM(exposed_seconds) AS exposed, SUM(wait_seconds) AS wait,
                      SUM(optimizer_seconds) AS optimizer FROM worker_timings HAVING COUNT(*) > 0
                    """)
            guard let sums else { return nil }
            let longest = try Row.fetchOne(
                database,
                sql: """
                    SELECT waited_for, SUM(wait_seconds) AS seconds FROM worker_timings WHERE waited_for IS NOT NULL
                    GROUP BY waited_for ORDER BY seconds DESC, waited_for LIMIT 1
                    """)
            return TimeShares(
                compute: sums["compute"], exposed: sums["exposed"], wait: sums["wait"], optimizer: sums["optimizer"],
                waitedFor: longest.map { .init(worker: $0["waited_for"], seconds: $0["seconds"]) })
        }
    }

    public struct Validation: Hashable, Sendable {
        public var row: Int64
        public var step: Int64
        /// `validation` or `test`.
        public var split: String
        public var loss: Double
        public var accuracy: Double
    }

    /// Up to `limit` evaluations after number `row`.
    public func validations(after row: Int64 = 0, limit: Int = .max) throws -> [Validation] {
        try rows("SELECT rowid AS row, * FROM validations", after: row, limit).map { row in
            Validation(
                row: row["row"], step: row["step"], split: row["split"], loss: row["loss"] ?? .nan, accuracy: row["accuracy"])
        }
    }

    /// One measured quantity.
    public struct Quantity: Hashable, Sendable {
        public var row: Int64
        public var step: Int64
        /// nil the whole network.
        public var layer: Int?
        public var diagnostic: String
        public var quantity: String
        /// nil for n/a.
        public var value: Double?
        public var uncertainty: Double?
        public var reason: String?

        /// A measurement that is in no record.
        public init(
            step: Int64, layer: Int?, diagnostic: String, quantity: String, value: Double?, uncertainty: Double?, reason: String?
        ) {
            (row, self.step, self.layer, self.diagnostic, self.quantity) = (0, step, layer, diagnostic, quantity)
            (self.value, self.uncertainty, self.reason) = (value, uncertainty, reason)
        }

        /// Whether a quantity is a node of D17's quadrature or its weight: a table over its numbers, and no course over steps.
        public static func isNode(_ quantity: String) -> Bool {
            ["density_node_", "density_weight_"].contains { prefix in
                quantity.hasPrefix(prefix) && quantity.dropFirst(prefix.count).allSatisfy(\.isNumber)
            }
        }

        init(_ row: Row) {
            self.row = row["row"]
            step = row["step"]
            layer = row["layer"]
            diagnostic = row["diagnostic"]
            quantity = row["quantity"]
            value = row["value"]
            uncertainty = row["uncertainty"]
            reason = row["reason"]
        }
    }

    /// Up to `limit` quantities after number `row`.
    public func quantities(after row: Int64 = 0, limit: Int = .max) throws -> [Quantity] {
        try rows("SELECT rowid AS row, * FROM layer_diagnostics", after: row, limit).map(Quantity.init)
    }

    /// Every measurement of one quantity, by step and layer, the whole network before the embedding. O(its rows).
    public func measurements(_ diagnostic: String, _ quantity: String) throws -> [Quantity] {
        let sql = """
            SELECT rowid AS row, * FROM layer_diagnostics WHERE diagnostic = ? AND quantity = ? ORDER BY step, layer
            """
        return try read { try Row.fetchAll($0, sql: sql, arguments: [diagnostic, quantity]).map(Quantity.init) }
    }

    /// The quantities that the run has measured, in the order of their first rows.
    public func measuredQuantities() throws -> [(diagnostic: String, quantity: String)] {
        try read { database in
            try Row.fetchAll(database, sql: "SELECT diagnostic, quantity FROM layer_diagnostics GROUP BY 1, 2 ORDER BY MIN(rowid)")
                .map { ($0["diagnostic"], $0["quantity"]) }
        }
    }

    public struct Spectrum: Hashable, Sendable {
        public var row: Int64
        public var step: Int64
        public var layer: Int
        public var tensor: String
        /// Descending.
        public var singularValues: [Float]
        /// How many the matrix has; nil in a record of schema version 2.
        public var total: Int?
        /// Whether all of them are here, as far as the record says.
        public var isComplete: Bool { total.map { $0 == singularValues.count } ?? true }
    }

    /// Up to `limit` spectra after number `row`.
    public func spectra(after row: Int64 = 0, limit: Int = .max) throws -> [Spectrum] {
        try rows("SELECT rowid AS row, * FROM spectra", after: row, limit).map { row in
            Spectrum(
                row: row["row"], step: row["step"], layer: row["layer"], tensor: row["tensor"],
                singularValues: Self.floats(row["singular_values"]), total: row["total"])
        }
    }

    public struct Event: Hashable, Sendable {
        public var unixMilliseconds: Int64
        public var step: Int64
        public var kind: String
        public var subject: String
        public var detail: String
    }

    /// Events of one kind, in their order.
    public func events(kind: String) throws -> [Event] {
        try read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM events WHERE kind = ? ORDER BY id", arguments: [kind]).map { row in
                Event(
                    unixMilliseconds: row["at_unix_ms"], step: row["step"], kind: row["kind"], subject: row["subject"],
                    detail: row["detail"])
            }
        }
    }

    private func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try RecordFile.explaining(path) { try queue.read(body) }
    }

    private func rows(_ select: String, after row: Int64, _ limit: Int) throws -> [Row] {
        try read { try Row.fetchAll($0, sql: "\(select) WHERE rowid > ? ORDER BY rowid LIMIT ?", arguments: [row, limit]) }
    }

    /// Little-endian float32; bytes that are left over are left out.
    private static func floats(_ bytes: Data) -> [Float] {
        let bytes = [UInt8](bytes)
        return stride(from: 0, to: bytes.count - bytes.count % 4, by: 4).map { start in
            Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << (8 * UInt32($1)) })
        }
    }
}
