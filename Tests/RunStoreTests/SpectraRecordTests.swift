import Foundation
import GRDB
import Testing

@testable import RunStore

@Suite("Spectra in a run's record")
struct SpectraRecordTests {
    @Test("one of which only the top is known says how many values there are, and how well they are known")
    func partial() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let record = try RunRecord(path: "\(folder)/run.sqlite")
            record.spectrum(0, layer: 1, tensor: "top", singularValues: [3, 2], total: 1100, residual: 0.25)
            record.spectrum(0, layer: 2, tensor: "all", singularValues: [3, 2], total: 2, residual: 0)
            record.spectrum(0, layer: 3, tensor: "none", singularValues: [], total: 4, residual: nil)
            try record.close()
            let found = try RunHistory(reading: "\(folder)/run.sqlite").spectra()
            #expect(found.map(\.total) == [1100, 2, 4] && found.map(\.isComplete) == [false, true, false])
            #expect(found.map { RunScalars.values($0).count } == [0, 1, 0], "TensorBoard's histogram is of whole spectra")
            let queue = try DatabaseQueue(path: "\(folder)/run.sqlite")
            let residuals = try queue.read { try Double?.fetchAll($0, sql: "SELECT residual FROM spectra ORDER BY layer") }
            #expect(residuals == [0.25, 0, nil])
        }
    }

    @Test("a record of schema version 2 is read, and can be gone on with")
    func versionTwo() throws {
        try SafetensorsTests.inTemporaryFolder { folder in
            let path = "\(folder)/run.sqlite"
            let queue = try DatabaseQueue(path: path)
            try queue.write {
                try $0.execute(
                    sql: """
                        CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
                        INSERT INTO meta VALUES ('schema_version', '2');
                        CREATE TABLE spectra(step INTEGER NOT NULL, layer INTEGER NOT NULL, tensor TEXT NOT NULL, count INTEGER NOT NULL,
                          singular_values BLOB NOT NULL, PRIMARY KEY(step, tensor));
                        INSERT INTO spectra VALUES (0, 1, 'old', 1, x'00008040');
                        """)
            }
            try queue.close()
            let old = try RunHistory(reading: path)
            #expect(try old.spectra().map(\.singularValues) == [[4]])
            try old.close()
            let record = try RunRecord(path: path)
            record.spectrum(1, layer: 1, tensor: "new", singularValues: [3], total: 5, residual: 0)
            #expect(try record.readMeta("schema_version") == "\(RunRecord.schemaVersion)")
            try record.close()
            let found = try RunHistory(reading: path).spectra()
            #expect(found.map(\.tensor) == ["old", "new"] && found.map(\.total) == [nil, 5])
            #expect(found.map(\.isComplete) == [true, false])
        }
    }
}
