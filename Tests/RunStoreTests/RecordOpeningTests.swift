import Foundation
import Testing

@testable import RunStore

@Suite("Opening a run's record")
struct RecordOpeningTests {
    private static func record(in folder: String, schema: String? = nil, norm: Double? = nil) throws -> String {
        let path = "\(folder)/run.sqlite"
        let record = try RunRecord(path: path)
        if let norm { measure(norm, record) }
        record.step(0, trainLoss: 1, trainAccuracy: 0, gradientNorm: nil, clipScale: 1, learningRate: 0.1)
        if let schema { record.meta("schema_version", schema) }
        try record.close()
        return path
    }

    private static func measure(_ norm: Double, _ record: RunRecord) {
        record.diagnostic(
            3, layer: 0, diagnostic: "D2", quantity: "spectral_norm", value: norm, uncertainty: nil, reason: nil)
    }

    private static func refusal(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "accepted"
        } catch let error as RunRecordError { return "\(error)" } catch { return "untyped: \(error)" }
    }

    @Test("a damaged, an emptied and another program's file: the path, what is wrong, what to do")
    func damaged() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let path = try Self.record(in: folder)
            try Data(repeating: 7, count: 5000).write(to: URL(filePath: path))
            for refusal in [Self.refusal { _ = try RunHistory(reading: path) }, Self.refusal { _ = try RunRecord(reading: path) }] {
                #expect(refusal.hasPrefix("\(path): the record is damaged") && refusal.contains("restore it"))
                #expect(!refusal.contains("SELECT"))
            }
            try Data().write(to: URL(filePath: path))
            #expect(Self.refusal { _ = try RunHistory(reading: path) }.contains("it is empty, or another program's"))
        }
    }

    @Test("pages damaged behind the header are found when they are read")
    func damagedPages() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let path = try Self.record(in: folder)
            var bytes = try Data(contentsOf: URL(filePath: path))
            // The first three pages hold the list of tables, meta and its index.
            for index in 3 * 4096..<bytes.count { bytes[index] = 0xA5 }
            try bytes.write(to: URL(filePath: path))
            let history = try RunHistory(reading: path)
            #expect(Self.refusal { _ = try history.steps() }.hasPrefix("\(path): the record is damaged"))
        }
    }

    @Test("a newer plumb's record is refused to readers and writers, and stays as it is")
    func newer() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let path = try Self.record(in: folder, schema: "99")
            let before = try Data(contentsOf: URL(filePath: path))
            for refusal in [
                Self.refusal { _ = try RunHistory(reading: path) }, Self.refusal { _ = try RunRecord(reading: path) },
                Self.refusal { _ = try RunRecord(path: path) },
            ] {
                #expect(refusal.contains("made by a newer plumb: its tables have version 99"))
                #expect(refusal.contains("this build reads up to \(RunRecord.schemaVersion)"))
            }
            #expect(try Data(contentsOf: URL(filePath: path)) == before)
        }
    }

    @Test("what diagnostics have cost, up to a version")
    func costs() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let record = try RunRecord(path: "\(folder)/run.sqlite")
            #expect(try record.costs(upTo: 9).measurements.isEmpty && record.costs(upTo: 9).stepSeconds == 0)
            for (step, seconds) in [(0, 1.5), (4, 2), (8, 4)] as [(UInt64, Double)] {
                record.measurement(step, name: "spectrum", seconds: seconds, skipped: 0)
                record.stepTiming(step, wallSeconds: 10, samplesPerSecond: 1, workers: 1)
            }
            record.measurement(8, name: "curvature", seconds: 60, skipped: 0)
            let (measurements, stepSeconds) = try record.costs(upTo: 7)
            #expect(stepSeconds == 30)
            #expect(
                measurements == [
                    RunRecord.MeasurementCost(name: "curvature", all: 60, last: 60, version: nil),
                    RunRecord.MeasurementCost(name: "spectrum", all: 7.5, last: 4, version: 4),
                ], "\(measurements)")
            #expect(try record.costs(upTo: 8).measurements.map(\.version) == [8, 8])
            try record.close()
        }
    }

    @Test("an older record is read and written on")
    func older() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let path = try Self.record(in: folder, schema: "1")
            #expect(try RunHistory(reading: path).steps().count == 1)
            let record = try RunRecord(path: path)
            #expect(try record.readMeta("schema_version") == "\(RunRecord.schemaVersion)")
            try record.close()
        }
    }

    @Test("a return to an earlier step measures an older plumb's diagnostics anew, and holds this one's to the same bits")
    func continued() throws {
        for (schema, isHeld) in [("2", false), ("3", false), (nil, true)] {
            try SafetensorsTests.inTemporaryFolder { folder in
                let path = try Self.record(in: folder, schema: schema, norm: 1)
                // As a resumed run looks before it writes.
                let look = try RunRecord(path: path, isWriter: false)
                #expect(try look.readMeta("schema_version") == schema ?? "\(RunRecord.schemaVersion)")
                try look.close()
                let record = try RunRecord(path: path)
                try record.beginReplay(from: 2)
                Self.measure(2, record)
                if isHeld {
                    #expect(throws: RunRecord.ReplayDifference.self) { try record.flush() }
                } else {
                    try record.close()
                }
            }
        }
    }
}
