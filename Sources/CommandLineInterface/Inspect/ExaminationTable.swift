import Foundation
import RunStore
import SpectralDiagnostics

/// The examination for a terminal of 120 columns.
enum ExaminationTable {
    static let width = 120
    private static let indent = "    "

    /// What is shown of a tensor, by the names of the record.
    private static let columns = [
        ("σ max", "spectral_norm"), ("σ min", "sigma_min"), ("cond.", "condition_number"), ("stable", "stable_rank"),
        ("eff.", "effective_rank"), ("α", "alpha"), ("shuffled", "control_alpha"), ("spikes", "spikes"), ("soft", "soft_rank"),
        ("|WᵀW−I|", "orthogonality_error"),
    ]

    /// - Parameter withControl: whether the fit on shuffled elements was asked for: what is left out on purpose needs no reason.
    static func lines(_ examined: [ExaminedTensor], skipped: [TensorInventory.Skipped], withControl: Bool) -> [String] {
        let header = ["shape"] + columns.map(\.0)
        let body = examined.map { tensor in
            let values = byQuantity(tensor)
            return [tensor.shape.map(String.init).joined(separator: "×")] + columns.map { cell($0.1, values[$0.1]) }
        }
        var table = TextTable(header: ["tensor"] + header)
        let room = nameRoom(header, body)
        for (tensor, cells) in zip(examined, body) { table.append([shortened(tensor.name, to: room)] + cells) }
        return table.lines() + legend(examined) + missing(examined, withControl) + notes(skipped)
    }

    private static func byQuantity(_ tensor: ExaminedTensor) -> [String: Measured] {
        Dictionary(tensor.rows.map { ($0.quantity, $0.value) }) { first, _ in first }
    }

    private static func cell(_ quantity: String, _ value: Measured?) -> String {
        switch quantity {
        case "spikes": value?.number.map { String(Int($0)) } ?? "n/a"
        case "alpha": Figures.brief(value?.number) + (value?.uncertainty.map { "±" + Figures.brief($0) } ?? "")
        default: Figures.brief(value?.number)
        }
    }

    private static func legend(_ examined: [ExaminedTensor]) -> [String] {
        let lines = [
            "",
            "α: the power law of the tail of σ², ± its standard error; shuffled: the same fit on the same elements in a random order.",
            "Where the two are alike, α tells nothing. spikes and soft: eigenvalues above a bulk of noise, its edge over the largest.",
        ]
        let doubles = examined.filter { $0.element == "F64" && $0.reason == nil }.map(\.name)
        return doubles.isEmpty ? lines : lines + [shortened("rounded to float32: \(doubles.joined(separator: ", "))", to: width)]
    }

    /// Why there is n/a: the columns and the tensors of each reason.
    private static func missing(_ examined: [ExaminedTensor], _ withControl: Bool) -> [String] {
        let shown = columns.filter { withControl || $0.1 != "control_alpha" }
        var pairs: [(reason: String, name: String)] = []
        for tensor in examined {
            let values = byQuantity(tensor)
            var reasons: [(reason: String, columns: [String])] = []
            for (title, quantity) in shown {
                guard let reason = values[quantity]?.reason else { continue }
                if let place = reasons.firstIndex(where: { $0.reason == reason }) {
                    reasons[place].columns.append(title)
                } else {
                    reasons.append((reason, [title]))
                }
            }
            pairs += reasons.map { reason, titles in
                (titles.count == shown.count ? reason : "\(titles.joined(separator: ", ")): \(reason)", tensor.name)
            }
        }
        return grouped(pairs).flatMap { wrapped("n/a, \($0)") }
    }

    private static func notes(_ skipped: [TensorInventory.Skipped]) -> [String] {
        grouped(skipped.map { ($0.reason, $0.name) }).flatMap { wrapped("not examined, as \($0)") }
    }

    /// `reason: name, name` for each reason, in the order of the first names.
    private static func grouped(_ pairs: [(reason: String, name: String)]) -> [String] {
        var groups: [(reason: String, names: [String])] = []
        for (reason, name) in pairs {
            if let index = groups.firstIndex(where: { $0.reason == reason }) {
                groups[index].names.append(name)
            } else {
                groups.append((reason, [name]))
            }
        }
        return groups.map { reason, names in
            "\(reason.escapedForTerminal): " + shortened(names.joined(separator: ", "), to: width - indent.count)
        }
    }

    private static func nameRoom(_ header: [String], _ body: [[String]]) -> Int {
        let others = header.indices.reduce(0) { sum, column in
            sum + 2 + ([header] + body).reduce(0) { max($0, $1[column].count) }
        }
        return max(12, width - others)
    }

    /// What a terminal may be shown of a text of anybody's, with its middle left out where it is too long: the ends of a tensor's name
    /// tell it apart.
    static func shortened(_ text: String, to length: Int) -> String {
        let text = text.escapedForTerminal
        if text.count <= length { return text }
        let head = (length - 1) / 2
        return text.prefix(head) + "…" + text.suffix(length - 1 - head)
    }

    /// A sentence in lines of the table's width, broken between words; those after the first are indented.
    private static func wrapped(_ text: String) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if line.isEmpty {
                line = String(word)
            } else if line.count + 1 + word.count <= width {
                line += " " + word
            } else {
                lines.append(line)
                line = indent + word
            }
        }
        return lines + [line]
    }
}
