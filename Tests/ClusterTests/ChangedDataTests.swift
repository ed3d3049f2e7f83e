import Foundation
import Testing

@Suite("Data that has changed since a checkpoint")
struct ChangedDataTests {
    static func table(_ scale: Int) -> String {
        (0..<80).map { "\(($0 * 37 % 23) * scale),\(($0 * 11 % 17) * scale),\($0 % 2)" }.joined(separator: "\n") + "\n"
    }

    @Test("is refused when the checkpoint is evaluated or measured, and taken when it is named on purpose")
    func changed() throws {
        try Program.inTemporaryFolder { folder in
            let (data, file, run) = ("\(folder)/data.csv", "\(folder)/experiment.yaml", "\(folder)/run")
            try Self.table(1).write(toFile: data, atomically: true, encoding: .utf8)
            try """
            data: { source: csv, file: \(data), test: 8, validation: 8 }
            model: { width: 16, depth: 2 }
            training: { batch: 8, partitions: 2, steps: 4 }
            diagnostics: { every: 0, probeExamples: 8 }
            """.write(toFile: file, atomically: true, encoding: .utf8)
            let trained = try Program.run(["train", file, "--reference", "--json", "--run-dir", run])
            #expect(trained.status == 0, "\(trained.errors)")
            let measure = ["inspect", run, "--data", "--select", "adjoint", "--json"]
            for arguments in [["evaluate", run], measure] { #expect(try Program.run(arguments).status == 0) }
            try Self.table(-3).write(toFile: data, atomically: true, encoding: .utf8)
            for arguments in [["evaluate", run], measure] {
                let refused = try Program.run(arguments)
                #expect(refused.status != 0 && refused.errors.contains("was trained on data with the digest"), "\(refused.errors)")
                let meant = try Program.run(arguments + ["--set", "data.file=\(data)"])
                #expect(meant.status == 0, "\(meant.errors)")
            }
        }
    }
}
