import Foundation
import Testing

@testable import RunStore

@Suite("TensorBoard's event files")
struct TensorBoardTests {
    /// Three steps, a validation, quantities (one n/a), two spectra.
    static func record(in folder: String) throws -> RunRecord {
        let record = try RunRecord(path: "\(folder)/run.sqlite")
        record.meta("begun_unix_ms", "1000500")
        for step in 0..<3 as Range<UInt64> { addStep(step, to: record) }
        record.validation(2, split: "validation", loss: 0.75, accuracy: 0.5, count: 4, isBest: true)
        record.diagnostic(
            0, layer: 3, diagnostic: "D12", quantity: "delta_norm", value: 0.125, uncertainty: nil, reason: nil)
        record.diagnostic(0, layer: nil, diagnostic: "D12", quantity: "slope", value: -2, uncertainty: 1, reason: nil)
        record.diagnostic(0, layer: 4, diagnostic: "D3", quantity: "condition_number", value: nil, uncertainty: nil, reason: "flat")
        record.spectrum(0, layer: 1, tensor: "layers.0.path", singularValues: [100, 10, 10, 1], total: 4, residual: 1e-6)
        record.spectrum(0, layer: 2, tensor: "layers.1.path", singularValues: [0, 0], total: 2, residual: 0)
        record.spectrum(0, layer: 3, tensor: "readout.weight", singularValues: [7, 5], total: 9, residual: 0.5)
        try record.flush()
        return record
    }

    static func addStep(_ step: UInt64, to record: RunRecord) {
        record.step(
            step, trainLoss: step == 1 ? .nan : 1 / Double(step + 1), trainAccuracy: 0.25, gradientNorm: step == 0 ? 8 : nil,
            clipScale: 1, learningRate: 0.5)
        record.stepTiming(step, wallSeconds: 2, samplesPerSecond: 64, workers: 1)
    }

    static func files(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    static func bytes(_ folder: String) throws -> [UInt8] {
        let name = try #require(try files(folder).last)
        return Array(try Data(contentsOf: URL(filePath: "\(folder)/\(name)")))
    }

    /// What TensorBoard's own reader finds; nil where it is not installed.
    static func readByTensorBoard(_ folder: String) throws -> [String]? {
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Oracles/event_files.py").path
        let (process, output) = (Process(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", script, folder]
        (process.standardOutput, process.standardError) = (output, FileHandle.nullDevice)
        try process.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { return nil }
        return text.split(separator: "\n").map(String.init)
    }

    static let expected = [
        "scalar D12/delta_norm/layer 003 | 0 0.125 at 1002.500", "scalar D12/slope | 0 -2 at 1002.500",
        "scalar speed/samples_per_second | 0 64 at 1002.500", "scalar speed/samples_per_second | 1 64 at 1004.500",
        "scalar speed/samples_per_second | 2 64 at 1006.500", "scalar train/accuracy | 0 0.25 at 1002.500",
        "scalar train/accuracy | 1 0.25 at 1004.500", "scalar train/accuracy | 2 0.25 at 1006.500",
        "scalar train/gradient_norm | 0 8 at 1002.500", "scalar train/learning_rate | 0 0.5 at 1002.500",
        "scalar train/learning_rate | 1 0.5 at 1004.500", "scalar train/learning_rate | 2 0.5 at 1006.500",
        "scalar train/loss | 0 1 at 1002.500", "scalar train/loss | 1 nan at 1004.500",
        "scalar train/loss | 2 0.333333 at 1006.500", "scalar validation/accuracy | 2 0.5 at 1006.500",
        "scalar validation/loss | 2 0.75 at 1006.500",
        "histogram log10 singular values/001 layers.0.path | 0 4 0 2 [(0.02, 1), (1.02, 2), (2.02, 1)]",
    ]

    @Test("TensorBoard reads every value of the record, at its step and time, and nothing that is n/a")
    func wholeRecord() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let record = try Self.record(in: folder)
            try TensorBoardLog(of: "\(folder)/run.sqlite", in: "\(folder)/tb").update()
            try record.close()
            guard let lines = try Self.readByTensorBoard("\(folder)/tb") else {
                return print("skipped: Python's tensorboard is not installed")
            }
            #expect(lines == Self.expected)
        }
    }

    @Test("later rows are appended, each once")
    func increments() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let record = try Self.record(in: folder)
            let log = try TensorBoardLog(of: "\(folder)/run.sqlite", in: "\(folder)/tb")
            try log.update()
            let first = try Self.bytes("\(folder)/tb")
            try log.update()
            #expect(try Self.bytes("\(folder)/tb") == first, "nothing was recorded in between")
            Self.addStep(3, to: record)
            try record.flush()
            try log.update()
            let second = try Self.bytes("\(folder)/tb")
            #expect(second.starts(with: first))
            let added = try EventFileReader.records(Array(second.dropFirst(first.count)))
            #expect(added.count == 1)
            #expect(try EventFileReader.fields(added[0])[1].value == .number(3), "the step")
            try record.close()
        }
    }

    @Test("a log after a rollback leaves nothing of the history that was taken back, and an open TensorBoard drops it")
    func rollback() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let record = try Self.record(in: folder)
            let folderOfEvents = "\(folder)/tb"
            try TensorBoardLog(of: "\(folder)/run.sqlite", in: folderOfEvents).update()
            let old = try Self.files(folderOfEvents)
            try Data().write(to: URL(filePath: "\(folderOfEvents)/events.out.tfevents.1.somebody"))
            try record.beginReplay(from: 1)
            try TensorBoardLog(of: "\(folder)/run.sqlite", in: folderOfEvents).update()
            try record.close()
            let new = try Self.files(folderOfEvents)
            #expect(new.count == 2 && !new.contains(old[0]), "another's file stays, ours gives way")
            #expect(new.filter { $0.hasSuffix(".plumb") }.allSatisfy { $0 > old[0] }, "TensorBoard reads names in ascending order")
            let records = try EventFileReader.records(try Data(contentsOf: URL(filePath: "\(folderOfEvents)/\(new[1])")).map { $0 })
            #expect(try EventFileReader.fields(records[0])[2].value == .bytes(Array("brain.Event:2".utf8)))
            let restart = try #require(try EventFileReader.fields(records[1]).last)
            #expect(restart.number == 7 && restart.value == .bytes([8, 1]), "a session's start")
            let steps = try records.dropFirst(2).map { try EventFileReader.fields($0)[1].value }
            #expect(Set(steps.map { "\($0)" }) == ["\(EventFileReader.Field.number(0))"], "only step 0 is left")
        }
    }

    @Test("the strict reader takes the bytes, and a byte changed anywhere is noticed")
    func framing() throws {
        let values = [TensorBoardEvent.Value(tag: "ü/x", payload: .scalar(-1.5))]
        let event = TensorBoardEvent(wallTime: 2.5, step: 300, content: .values(values))
        let bytes = event.framed()
        let fields = try EventFileReader.fields(try EventFileReader.records(bytes)[0])
        #expect(fields.map(\.number) == [1, 2, 5])
        #expect(fields[0].value == .number((2.5).bitPattern) && fields[1].value == .number(300))
        // Summary { value { tag, simple_value } }, by hand.
        let value: [UInt8] = [0x0A, 4] + Array("ü/x".utf8) + [0x15, 0, 0, 0xC0, 0xBF]
        #expect(fields[2].value == .bytes([0x0A, UInt8(value.count)] + value))
        for place in bytes.indices {
            var broken = bytes
            broken[place] ^= 0x10
            #expect(throws: EventFileReader.Failure.self) { try EventFileReader.records(broken) }
        }
    }

    @Test("a histogram holds every singular value in buckets of one width, zeros in the lowest, and none of what is not finite")
    func histogram() throws {
        let values = (0..<500).map { Float(sin(Double($0)) + 1.001) * 3 } + [0]
        let found = try #require(EventHistogram(singularValues: values))
        #expect(found.counts.reduce(0, +) == 501 && found.count == 501 && found.counts.count <= 65 && found.counts[0] == 0)
        #expect(found.counts.count == found.upperEdges.count)
        let width = found.upperEdges[1] - found.upperEdges[0]
        for (edge, next) in zip(found.upperEdges, found.upperEdges.dropFirst()) {
            #expect(abs(next - edge - width) < 1e-12)
            let naive = values.filter { value in
                let log = log10(max(Double(value), Double(values.max()!) * 0x1p-24))
                return log >= edge && log < next
            }
            #expect(naive.count == found.counts[found.upperEdges.firstIndex(of: next)!])
        }
        #expect(abs(found.smallest - log10(Double(values.max()!) * 0x1p-24)) < 1e-12)
        #expect(EventHistogram(singularValues: [1.0000001, 1, 0.9999999])?.counts == [0, 3], "rounding about 1 is one bucket")
        for hopeless in [[], [0, 0], [1, .nan], [.infinity, 1]] as [[Float]] {
            #expect(EventHistogram(singularValues: hopeless) == nil)
        }
    }

    @Test("a step's time is the run's begin and the time its steps took")
    func clock() {
        var clock = StepClock(begin: 10)
        #expect(clock.time(of: 5) == 10)
        for step in [2, 3, 5] as [Int64] { clock.append(1, of: step) }
        #expect([0, 2, 3, 4, 5, 9].map(clock.time) == [10, 11, 12, 12, 13, 13])
    }
}
