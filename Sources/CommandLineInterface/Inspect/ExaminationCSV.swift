import SpectralDiagnostics

/// The examination for a spreadsheet: a line for each tensor, a column for each quantity, empty where there is no value.
enum ExaminationCSV {
    static func lines(_ examined: [ExaminedTensor]) -> [String] {
        guard let first = examined.first else { return [] }
        let header = ["tensor", "element", "shape", "matrices"] + first.rows.map(\.quantity) + ["reasons"]
        return [line(header)]
            + examined.map { tensor in
                let shape = tensor.shape.map(String.init).joined(separator: "x")
                return line([tensor.name, tensor.element, shape, String(tensor.matrices)] + fields(tensor.rows))
            }
    }

    /// The values, and last the reasons for those that are missing.
    static func fields(_ rows: [DiagnosticRow]) -> [String] {
        let reasons = rows.compactMap { row in row.value.reason.map { "\(row.quantity): \($0)" } }
        return rows.map { $0.value.number.map { "\($0)" } ?? "" } + [reasons.joined(separator: "; ")]
    }

    /// As RFC 4180 wants it.
    static func line(_ fields: [String]) -> String {
        fields.map { field in
            let isPlain = !field.contains { $0 == "," || $0 == "\"" || $0.isNewline }
            return isPlain ? field : "\"\(field.replacing("\"", with: "\"\""))\""
        }.joined(separator: ",")
    }
}
