import CAllocationCounter
import Foundation

/// What the threads of a run's processes have taken from the heap so far: read from the files that `counted-plumb` keeps.
struct ThreadAllocations {
    /// Of one thread, or of several.
    struct Taken {
        var blocks = 0
        /// Blocks of a payload's size.
        var payloads = 0
    }

    struct Thread: Hashable {
        /// "coordinator" or "worker".
        var role: String
        var process: Int32
        /// As the system shows it.
        var name: String
    }

    private(set) var byThread: [Thread: Taken] = [:]

    init(folder: String, coordinator: Int32) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            guard let process = Int32(name) else { continue }
            let data = try Data(contentsOf: URL(filePath: "\(folder)/\(name)"))
            let slots = unsafe data.withUnsafeBytes { unsafe Array($0.bindMemory(to: plumb_slot.self)) }
            for slot in slots where slot.thread != 0 {
                // One that has ended takes nothing more.
                let comm = "/proc/\(process)/task/\(slot.thread)/comm"
                guard let thread = try? String(contentsOfFile: comm, encoding: .utf8).split(separator: "\n").first else { continue }
                let role = process == coordinator ? "coordinator" : "worker"
                let key = Thread(role: role, process: process, name: String(thread))
                byThread[key, default: Taken()].blocks += Int(slot.taken.blocks)
                byThread[key, default: Taken()].payloads += Int(slot.taken.payloads)
            }
        }
    }

    /// By process, what the threads of a role whose names begin so have taken since `earlier`.
    func taken(since earlier: ThreadAllocations, _ role: String, _ name: String) -> [Taken] {
        var byProcess: [Int32: Taken] = [:]
        for (thread, taken) in byThread where thread.role == role && thread.name.hasPrefix(name) {
            let before = earlier.byThread[thread] ?? Taken()
            byProcess[thread.process, default: Taken()].blocks += taken.blocks - before.blocks
            byProcess[thread.process, default: Taken()].payloads += taken.payloads - before.payloads
        }
        return byProcess.keys.sorted().compactMap { byProcess[$0] }
    }
}
