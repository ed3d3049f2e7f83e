import Foundation
import GRDB

/// The opening of a run's record, `run.sqlite`, for those who read it and for the one who writes it.
enum RecordFile {
    /// Opens the record at `path`, to read it and nothing else. Blocking.
    ///
    /// - Throws: `RunRecordError` when it is no record, a damaged one, or one with the tables of a newer plumb.
    static func openForReading(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        return try explaining(path) {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.read { try refuseNewer($0, path) }
            return queue
        }
    }

    /// Opens the record at `path` to write it, and makes its tables where there are none. Blocking.
    ///
    /// - Throws: `RunRecordError` as `openForReading`, before anything is changed; what SQLite says of the writing itself.
    static func openForWriting(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { database in
            // A snapshot follows the rows of the steps before it: what was flushed must outlive a loss of power.
            try database.execute(sql: "PRAGMA synchronous = FULL")
        }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        if try queue.read({ try $0.tableExists("meta") }) { try queue.read { try refuseNewer($0, path) } }
        try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = WAL") }
        try queue.write { database in
            try database.execute(sql: RunRecord.schema)
            try migrate(database)
        }
        return queue
    }

    /// Gives a record of schema version 2, whose spectra do not say whether they are complete, the columns of this one, NULL for its rows.
    private static func migrate(_ database: Database) throws {
        if try database.columns(in: "spectra").contains(where: { $0.name == "total" }) { return }
        try database.execute(sql: "ALTER TABLE spectra ADD COLUMN total INTEGER; ALTER TABLE spectra ADD COLUMN residual REAL")
    }

    /// body(), with what SQLite throws turned into a sentence about the record.
    static func explaining<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as DatabaseError { throw RunRecordError(path, error) }
    }

    private static func refuseNewer(_ database: Database, _ path: String) throws {
        let text = try String.fetchOne(database, sql: "SELECT value FROM meta WHERE key = 'schema_version'")
        guard let text, let version = Int(text), version > RunRecord.schemaVersion else { return }
        throw RunRecordError(
            path,
            "the record was made by a newer plumb: its tables have version \(version), and this build reads up to "
                + "\(RunRecord.schemaVersion); use that plumb")
    }
}
