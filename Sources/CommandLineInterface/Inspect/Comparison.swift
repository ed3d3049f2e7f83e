import Foundation
import RunStore
import SpectralDiagnostics

/// What two files have in common, and what not.
struct Comparison {
    var first: String
    var second: String
    var compared: [ComparedTensor]
    var onlyInFirst: [String]
    var onlyInSecond: [String]

    private struct Report: Encodable {
        struct Tensor: Encodable {
            var name: String
            var shape: [Int]
            var quantities: Quantities
            var updateSingularValues: [Double]
        }
        var first: String
        var second: String
        var tensors: [Tensor]
        var onlyInFirst: [String]
        var onlyInSecond: [String]
    }

    func json() throws -> String {
        let tensors = compared.map { tensor in
            var values: [Double] = []
            if case .update(let update) = tensor.outcome { values = update.singularValues }
            return Report.Tensor(
                name: tensor.name, shape: tensor.shape, quantities: Quantities(tensor.rows), updateSingularValues: values)
        }
        let report = Report(first: first, second: second, tensors: tensors, onlyInFirst: onlyInFirst, onlyInSecond: onlyInSecond)
        return try SortedJSON.text(report)
    }

    func csv() -> [String] {
        let header = ["tensor", "shape"] + (compared.first?.rows.map(\.quantity) ?? []) + ["reasons"]
        return [ExaminationCSV.line(header)]
            + compared.map {
                ExaminationCSV.line([$0.name, $0.shape.map(String.init).joined(separator: "x")] + ExaminationCSV.fields($0.rows))
            }
    }

    func table() -> [String] {
        var table = TextTable(
            header: ["tensor", "shape", "‖ΔW‖₂", "‖ΔW‖₂/‖W‖₂", "‖ΔW‖F/‖W‖F", "eff. rank ΔW", "stable rank ΔW"])
        for tensor in compared {
            let shape = tensor.shape.map(String.init).joined(separator: "×")
            table.append(
                [ExaminationTable.shortened(tensor.name, to: 40), shape] + tensor.rows.map { Figures.brief($0.value.number) })
        }
        var lines = table.lines()
        for tensor in compared {
            if let reason = tensor.rows.compactMap(\.value.reason).first {
                lines.append("n/a " + ExaminationTable.shortened("\(tensor.name): \(reason)", to: ExaminationTable.width - 4))
            }
        }
        for (name, only) in [(first, onlyInFirst), (second, onlyInSecond)] where !only.isEmpty {
            lines.append("only in \(name): \(only.joined(separator: ", "))".escapedForTerminal)
        }
        return lines
    }
}
