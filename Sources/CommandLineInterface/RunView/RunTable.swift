import Foundation
import RunStore

/// A run's record as comma-separated values: its curves first, with no diagnostic, then every measurement in the order of the record.
enum RunTable {
    /// The record of the run in `directory`, a header first. O(rows). Blocking.
    ///
    /// - Throws: `RefusedInput` when there is no record in it; `RunRecordError`.
    static func lines(directory: String) throws -> [String] {
        let view = try RunView(of: directory)
        var lines = ["step,layer,diagnostic,quantity,value,uncertainty,reason"]
        for curve in view.training {
            for (step, value) in zip(curve.steps, curve.values) {
                lines.append(line(step: step, layer: nil, diagnostic: "", quantity: curve.quantity, value: value))
            }
        }
        let history = try RunHistory(reading: try RunDirectory.recorded(directory).recordPath)
        defer { try? history.close() }
        return lines
            + (try history.quantities()).map { row in
                line(
                    step: row.step, layer: row.layer, diagnostic: row.diagnostic, quantity: row.quantity, value: row.value,
                    uncertainty: row.uncertainty, reason: row.reason)
            }
    }

    private static func line(
        step: Int64, layer: Int?, diagnostic: String, quantity: String, value: Double?, uncertainty: Double? = nil,
        reason: String? = nil
    ) -> String {
        func text(_ number: Double?) -> String { number.map { "\($0)" } ?? "" }
        return ExaminationCSV.line([
            "\(step)", layer.map(String.init) ?? "", diagnostic, quantity, text(value), text(uncertainty), reason ?? "",
        ])
    }
}
