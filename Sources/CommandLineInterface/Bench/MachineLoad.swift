import Foundation

/// The machine's load average of the last minute.
enum MachineLoad {
    static var now: String {
        let text = try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)
        return text?.split(separator: " ").first.map(String.init) ?? "?"
    }

    /// The line below a table of measurements that began at load `before`.
    static func sentence(rounds: Int, before: String, after: String, _ conditions: String = "") -> String {
        "medians of \(rounds) rounds, \(conditions)load \(before) before and \(after) after"
    }
}
