import Foundation
import RunStore

/// What a path on the command line means where a checkpoint is asked for.
enum CheckpointPath {
    /// The file at `path`; of a run's directory, or its `checkpoints`, the newest snapshot that its manifest vouches for. Blocking:
    /// reads a snapshot whole, to check it.
    ///
    /// - Throws: `RefusedInput` when there is none, or the directory cannot be read; `SnapshotError` when the newest is damaged.
    static func resolved(_ path: String) throws -> String {
        guard isDirectory(path) else { return path }
        let names = try self.names(in: path)
        let run: RunDirectory
        if names.contains("checkpoints") && isDirectory("\(path)/checkpoints") {
            run = RunDirectory(path: path)
        } else if absolute(path).lastPathComponent == "checkpoints" {
            run = RunDirectory(path: absolute(path).deletingLastPathComponent().path)
        } else {
            throw RefusedInput("\(path): \(complaint(about: names, inside: path, isRun: false))")
        }
        let saved = try self.names(in: run.checkpointsPath)
        let (usable, damaged) = run.snapshots.manifests()
        guard let newest = usable.first else {
            if let error = damaged.first { throw error }
            throw RefusedInput("\(path): \(complaint(about: saved, inside: run.checkpointsPath, isRun: true))")
        }
        return try run.snapshots.verify(newest)
    }

    private static func isDirectory(_ path: String) -> Bool {
        var isDirectory = false as ObjCBool
        return unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
    }

    private static func absolute(_ path: String) -> URL { URL(filePath: path).standardizedFileURL }

    private static func names(in directory: String) throws -> [String] {
        do { return try PosixDisk().names(in: directory) } catch {
            throw RefusedInput("\(directory): the directory cannot be read (\(error)); check the path and its permissions")
        }
    }

    /// What can be named instead of a directory without a snapshot.
    private static func complaint(about names: [String], inside directory: String, isRun: Bool) -> String {
        let lack =
            isRun ? "there is no snapshot with its manifest in this run" : "this directory is no run's, as it has no checkpoints"
        let files = names.filter { $0.hasSuffix(".safetensors") }
        guard let first = files.first else { return "\(lack); name a safetensors file, or the directory that a run left" }
        let count = files.count == 1 ? "1 safetensors file" : "\(files.count) safetensors files"
        return "\(lack); it holds \(count), so name one, as \(directory)/\(first)"
    }
}
