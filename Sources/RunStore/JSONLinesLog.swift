import Foundation
import Logging
import Synchronization

/// The file `log.jsonl`: one JSON object a line, with ts, level, label, message and the metadata.
public final class JSONLinesFile: Sendable {
    private let handle: Mutex<FileHandle?>

    /// Appends to the file at `path`, which is made if it is missing.
    public init(path: String) throws {
        if !FileManager.default.fileExists(atPath: path) { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        let handle = try FileHandle(forWritingTo: URL(filePath: path))
        try handle.seekToEnd()
        self.handle = Mutex(handle)
    }

    func write(_ line: [UInt8]) {
        // A full disk costs log lines, not the run.
        handle.withLock { try? $0?.write(contentsOf: line) }
    }

    public func close() {
        handle.withLock { handle in
            try? handle?.close()
            handle = nil
        }
    }
}

/// Sends log entries to `log.jsonl`, and those from `echo` on to standard error as plain lines.
public struct RunLogHandler: LogHandler {
    public var metadata: Logger.Metadata = [:]
    public var logLevel: Logger.Level = .info
    private let label: String
    private let file: JSONLinesFile?
    private let echo: Logger.Level

    public init(label: String, file: JSONLinesFile?, echo: Logger.Level = .warning) {
        self.label = label
        self.file = file
        self.echo = echo
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }.mapValues { "\($0)" }
        if let file {
            var members = fields
            members["ts"] = UTCTime.now.rfc3339
            members["level"] = event.level.rawValue
            members["label"] = label
            members["message"] = "\(event.message)"
            file.write(Array((JSONText.object(members) + "\n").utf8))
        }
        if event.level >= echo {
            let details = fields.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }.map { "\($0.key): \($0.value)" }
            let text = "\(label): \(event.message)" + (details.isEmpty ? "" : " (\(details.joined(separator: ", ")))") + "\n"
            try? FileHandle.standardError.write(contentsOf: Array(text.utf8))
        }
    }
}
