import ArgumentParser
import Cluster
import Foundation
import ParameterServer
import RunStore
import WireProtocol

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Says how a run is doing: its step, its workers, whom it waits for.")

    @Argument(help: ArgumentHelp("The run's directory.", valueName: "run"))
    var path: String

    @Flag(help: "Print one line of JSON.")
    var json = false

    func run() throws {
        let directory = try RunDirectory.open(path)
        guard CoordinatorLease.isHeld(of: directory) else { return try printRecord(directory) }
        let status = try CoordinatorClient(directory).status()
        if json {
            print(try SortedJSON.text(status))
        } else {
            for line in StatusText.lines(status) { print(line) }
        }
    }

    /// No coordinator runs: the record says how far the run came.
    private func printRecord(_ directory: RunDirectory) throws {
        let record = try RunRecord(reading: directory.recordPath)
        defer { try? record.close() }
        let (last, digest) = (try record.lastStep(), try record.readMeta("weights_sha256"))
        let snapshot = directory.snapshots.manifests().usable.first?.step
        if json {
            let fields: [String: Any] = [
                "phase": digest == nil ? "not running" : "finished", "step": last.map { Int($0.step) + 1 } ?? 0,
                "snapshot": snapshot.map { Int($0) } ?? 0,
            ]
            print(String(decoding: try JSONSerialization.data(withJSONObject: fields, options: .sortedKeys), as: UTF8.self))
            return
        }
        if let digest { return print("finished: \(last.map { $0.step + 1 } ?? 0) steps, weights SHA-256 \(digest)") }
        let seen = last.map { "step \($0.step + 1), loss \(Figures.short($0.trainLoss))" } ?? "no step yet"
        print("not running: \(seen); the last snapshot is of step \(snapshot ?? 0); go on with --resume \(path)")
    }
}

struct Stop: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Ends a run after a snapshot, as Ctrl-C does.")

    @Argument(help: ArgumentHelp("The run's directory.", valueName: "run"))
    var path: String

    func run() throws {
        let status = try CoordinatorClient(try RunDirectory.open(path)).stop(reason: "plumb stop")
        print("asked \(status.runName) to stop at step \(status.step) of \(status.steps), after a snapshot")
    }
}

enum StatusText {
    static func lines(_ status: ControlMessage.Status) -> [String] {
        var lines = [
            "\(status.runName): \(status.phase), step \(status.step) of \(status.steps), timeline \(status.timeline.rawValue), "
                + "waiting for \(seconds(status.waitedMilliseconds))"
        ]
        var table = TextTable("worker", "host", "partitions", "last heard")
        for worker in status.workers {
            table.append([
                worker.name, worker.host, worker.partitions.isEmpty ? "stands by" : ranges(worker.partitions),
                "\(seconds(worker.silentMilliseconds)) ago",
            ])
        }
        if !status.workers.isEmpty { lines += table.lines() }
        return lines
    }

    private static func seconds(_ milliseconds: Int) -> String { "\(milliseconds / 1000).\(milliseconds / 100 % 10) s" }

    /// 0, 1, 2, 5 as 0–2, 5.
    static func ranges(_ numbers: [Int]) -> String {
        var parts: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = parts.last, last.upperBound + 1 == number {
                parts[parts.count - 1] = last.lowerBound...number
            } else {
                parts.append(number...number)
            }
        }
        return parts.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)–\($0.upperBound)" }.joined(separator: ", ")
    }
}
