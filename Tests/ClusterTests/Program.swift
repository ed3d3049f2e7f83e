import Foundation

/// The built program, run as a person runs it.
struct Program {
    struct Outcome {
        var status: Int32
        var output: String
        var errors: String

        var json: [String: Any] {
            let line = output.split(separator: "\n").last.map(String.init) ?? ""
            return (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any] ?? [:]
        }
    }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static let executable = executable(named: "plumb")

    /// Beside the test bundle.
    static func executable(named name: String) -> URL {
        let bundle = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        let beside = bundle.appending(path: name)
        return FileManager.default.fileExists(atPath: beside.path) ? beside : Bundle.main.bundleURL.appending(path: name)
    }

    /// `prefix` is a command that runs the program as its own arguments, if not directly.
    static func start(
        _ arguments: [String], environment: [String: String] = [:], program: String = "plumb", through prefix: [String] = []
    ) throws -> (Process, Pipe, Pipe) {
        let process = Process()
        let (output, errors) = (Pipe(), Pipe())
        let executable = executable(named: program)
        process.executableURL = prefix.isEmpty ? executable : URL(filePath: "/usr/bin/env")
        process.arguments = prefix.isEmpty ? arguments : prefix + [executable.path] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        (process.standardOutput, process.standardError) = (output, errors)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return (process, output, errors)
    }

    static func run(
        _ arguments: [String], environment: [String: String] = [:], program: String = "plumb"
    ) throws -> Outcome {
        let (process, output, errors) = try start(arguments, environment: environment, program: program)
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        let messages = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return Outcome(status: process.terminationStatus, output: text, errors: messages)
    }

    static func inTemporaryFolder<R>(_ body: (String) throws -> R) throws -> R {
        let path = FileManager.default.temporaryDirectory.appending(path: "plumb-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }

    /// Processes whose command line holds `text`.
    static func processes(with text: String) -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.filter { commandLine(of: $0).contains(text) }
    }

    /// Tells a run's own workers from those of tests that run at the same time.
    static func isChild(_ id: Int32, of process: Process) -> Bool {
        let status = (try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)) ?? ""
        return status.contains("PPid:\t\(process.processIdentifier)\n")
    }

    /// Local workers of this build whose parent is gone, or is no program of this build.
    static var orphans: [Int32] {
        processes(with: "--end-with-stdin").filter { id in
            guard commandLine(of: id).contains(executable.path) else { return false }
            return !commandLine(of: parent(of: id) ?? 0).contains(executable.deletingLastPathComponent().path)
        }
    }

    static func commandLine(of process: Int32) -> String {
        String(decoding: (try? Data(contentsOf: URL(filePath: "/proc/\(process)/cmdline"))) ?? Data(), as: UTF8.self)
    }

    static func parent(of process: Int32) -> Int32? {
        let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
        return status.split(separator: "\n").first { $0.hasPrefix("PPid:") }?.split(separator: "\t").last.flatMap { Int32($0) }
    }

    /// Waits for a condition, at most `seconds`.
    static func wait(_ seconds: Double, _ condition: () -> Bool) -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            if condition() { return true }
            usleep(10_000)
        }
        return condition()
    }
}
