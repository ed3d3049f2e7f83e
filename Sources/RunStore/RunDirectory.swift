import Glibc

/// The directory of one run and the places in it.
public struct RunDirectory: Hashable, Sendable {
    /// The path of the directory, as given.
    public let path: String

    /// The places of a run in the directory `path`, whether there is one or not.
    public init(path: String) { self.path = path }

    /// The resolved experiment, every default written out.
    public var experimentPath: String { "\(path)/experiment.yaml" }
    /// Metrics, spectra, events, membership: see `RunRecord`.
    public var recordPath: String { "\(path)/run.sqlite" }
    /// One JSON object a line: see `JSONLinesLog`.
    public var logPath: String { "\(path)/log.jsonl" }
    /// Where `CheckpointStore` works.
    public var checkpointsPath: String { "\(path)/checkpoints" }
    /// Event files that show the record in TensorBoard: see `TensorBoardLog`.
    public var tensorboardPath: String { "\(path)/tensorboard" }
    /// The lock file of the run's coordinator: see `CoordinatorLease`.
    public var leasePath: String { "\(path)/lease" }

    /// Where the running coordinator listens; absent when none runs.
    var endpointPath: String { "\(path)/endpoint" }

    /// Makes `<parent>/<name>-<id>/` and the directories above it.
    ///
    /// Without `id` the date and time (UTC) is taken, followed by `-2`, `-3` … when that directory exists, so that two
    /// runs begun in the same second never share one. Blocking.
    /// - Throws: `RunDirectoryError`.
    public static func create(
        parent: String, name: String, id: String? = nil, at time: UTCTime = .now
    ) throws(RunDirectoryError) -> RunDirectory {
        guard isUsable(name) else { throw .unusableName(name) }
        if let id {
            guard isUsable(id) else { throw .unusableName(id) }
            return try create(at: "\(parent)/\(name)-\(id)")
        }
        try makeParent(parent)
        let base = "\(parent)/\(name)-\(time.compact)"
        var path = base
        var attempt = 1
        while unsafe mkdir(path, 0o755) != 0 {
            guard errno == EEXIST else { throw .notWritable(path: path, .last("mkdir")) }
            attempt += 1
            path = "\(base)-\(attempt)"
        }
        return try create(at: path)
    }

    /// Makes the directory at exactly `path`, or takes it when it exists and is empty. Blocking.
    /// - Throws: `RunDirectoryError` when it holds a run or anything else, or cannot be written.
    public static func create(at path: String) throws(RunDirectoryError) -> RunDirectory {
        let run = RunDirectory(path: path)
        try makeParent(path)
        let names: [String]
        do { names = try fileNames(in: path) } catch { throw .notWritable(path: path, error) }
        if run.looksLikeARun(names) { throw .runExists(path: path) }
        if let example = names.first { throw .notEmpty(path: path, example: example) }
        do { try makeDirectories(run.checkpointsPath) } catch { throw .notWritable(path: path, error) }
        return run
    }

    /// The run that an earlier process left at `path`. Blocking.
    /// - Throws: `RunDirectoryError.notARun`.
    public static func open(_ path: String) throws(RunDirectoryError) -> RunDirectory {
        let run = RunDirectory(path: path)
        guard (try? PosixFile.status(of: run.experimentPath)) != nil else { throw .notARun(path: path) }
        return run
    }

    /// Writes the resolved experiment, durably and whole. Blocking.
    /// - Throws: `RunDirectoryError.notWritable`.
    public func writeExperiment(_ text: String) throws(RunDirectoryError) {
        do { try writeDurably(Array(text.utf8), to: experimentPath) } catch { throw .notWritable(path: path, error) }
    }

    private func writeDurably(_ bytes: [UInt8], to path: String) throws(SystemError) {
        try PosixDisk().writeDurably(bytes, to: path)
    }

    /// The run's snapshots and the number of its history.
    public var snapshots: SnapshotStore<PosixDisk> { SnapshotStore(path, on: PosixDisk()) }

    /// Says where the coordinator of this run listens; nil that none does. Blocking.
    public func publishEndpoint(_ endpoint: String?) {
        guard let endpoint else {
            unsafe unlink(endpointPath)
            return
        }
        // Without it `plumb status` cannot find the coordinator, which is no reason to stop training.
        try? writeDurably(Array("\(endpoint)\n".utf8), to: endpointPath)
    }

    /// Where the coordinator of this run listens, if one has said so.
    public var publishedEndpoint: String? {
        guard let bytes = try? snapshots.bytes(of: endpointPath, limit: 1024) else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init)
    }

    /// The resolved experiment that the run was begun with. Blocking.
    ///
    /// - Throws: `SnapshotError`.
    public func readExperiment() throws(SnapshotError) -> String {
        String(decoding: try snapshots.bytes(of: experimentPath, limit: 4 << 20), as: UTF8.self)
    }

    /// A lease alone counts too: its run has just begun, or ended before it wrote anything else.
    private func looksLikeARun(_ names: [String]) -> Bool {
        !Set(names).isDisjoint(with: ["run.sqlite", "experiment.yaml", "lease", "checkpoints"])
    }

    private static func makeParent(_ path: String) throws(RunDirectoryError) {
        do { try makeDirectories(path) } catch { throw .notWritable(path: path, error) }
    }

    private static func isUsable(_ name: String) -> Bool {
        let bytes = name.utf8
        guard let first = bytes.first, bytes.count <= 100 else { return false }
        if first == UInt8(ascii: ".") || first == UInt8(ascii: "-") { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }
}
