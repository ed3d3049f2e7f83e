import Foundation
import GRDB

/// What a run has left, read by a reader that is not ours.
struct RunFolder {
    let path: String

    /// Every row of a table as text, in order.
    func rows(_ table: String) throws -> [String] {
        try read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM \(table)").map { "\($0.map { "\($0)=\($1)" })" }.sorted()
        }
    }

    func numbers(_ sql: String) throws -> [Int] { try read { try Int.fetchAll($0, sql: sql) } }
    func real(_ sql: String) throws -> [Double] { try read { try Double.fetchAll($0, sql: sql) } }
    func texts(_ sql: String) throws -> [String] { try read { try String.fetchAll($0, sql: sql) } }

    private func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        return try DatabaseQueue(path: "\(path)/run.sqlite", configuration: configuration).read(body)
    }

    /// The last step that is on disk; nil before the first.
    var lastStep: Int? { (try? numbers("SELECT MAX(step) FROM steps"))?.first }

    var log: String { (try? String(contentsOfFile: "\(path)/log.jsonl", encoding: .utf8)) ?? "" }

    /// Every value under the law of the same bits.
    func lawfulRows() throws -> [String] {
        try ["steps", "validations", "layer_diagnostics", "spectra"].flatMap { try rows($0) }
    }

    /// Files that a run must not leave behind.
    var leftovers: [String] {
        let files = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return files.filter { name in
            let last = name.split(separator: "/").last.map(String.init) ?? name
            return last.hasPrefix(".partial-") || ["lease", "endpoint"].contains(last)
        }
    }
}
