import GRDB

/// Why a run's record cannot be read.
public struct RunRecordError: Error, Hashable, Sendable, CustomStringConvertible {
    public var path: String
    public var sentence: String

    init(_ path: String, _ sentence: String) { (self.path, self.sentence) = (path, sentence) }

    public var description: String { "\(path): \(sentence)" }

    /// What SQLite says of the record at `path`, with what can be done.
    init(_ path: String, _ error: DatabaseError) {
        let said = (error.message ?? "\(error.resultCode)").escapedForTerminal
        let sentence =
            switch error.resultCode.primaryResultCode {
            case .SQLITE_NOTADB, .SQLITE_CORRUPT:
                "the record is damaged, or no record (\(said)); restore it from a copy, the weights are in checkpoints/ beside it"
            case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH, .SQLITE_READONLY:
                "the record cannot be opened (\(said)); check that this user may read it and write beside it"
            case .SQLITE_BUSY, .SQLITE_LOCKED: "another program keeps the record to itself (\(said)); try again when it is done"
            case .SQLITE_ERROR where said.hasPrefix("no such"):
                "the record lacks what a run writes (\(said)): it is empty, or another program's; name the directory that a run left"
            default: "the record cannot be read (\(said)); check the disk"
            }
        self.init(path, sentence)
    }
}
