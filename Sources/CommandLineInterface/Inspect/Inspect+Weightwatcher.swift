import Foundation
import LinearAlgebra
import RunStore
import SpectralDiagnostics

/// One layer as weightwatcher shows it.
struct WeightwatcherLayer: Sendable {
    var identifier: Int
    var name: String
    var isKernel: Bool
    var columns: WeightwatcherColumns

    /// Its columns with their text, in weightwatcher's order; text is quoted in JSON alone.
    var fields: [(name: String, field: Field)] {
        let text = [
            ("name", name.split(separator: ".").last.map(String.init) ?? name), ("longname", name),
            ("layer_type", isKernel ? "conv2d" : "dense"), ("status", columns.status), ("warning", columns.warning),
        ]
        let ratio = Double(columns.large) / Double(columns.small)
        let numbers = [
            ("M", Double(columns.small)), ("N", Double(columns.large)), ("Q", ratio), ("rf", Double(columns.receptiveField)),
        ]
        var all = text.map { ($0.0, Field.text($0.1)) } + numbers.map { ($0.0, Field.number(.value($0.1))) }
        all += columns.figures.map { ($0.name, Field.number($0.value)) }
        // Capital letters first, as pandas sorts them.
        all.sort { $0.0 < $1.0 }
        let leading = ("layer_id", Field.number(.value(Double(identifier))))
        return ([leading] + all.filter { $0.0 == "name" } + all.filter { $0.0 != "name" }).map { (name: $0.0, field: $0.1) }
    }

    enum Field: Encodable {
        case text(String)
        case number(Measured)

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .number(let value): try container.encode(value.number)
            }
        }

        var plain: String {
            switch self {
            case .text(let text): return text
            case .number(let value):
                guard let number = value.number else { return "" }
                return number == number.rounded() && abs(number) < 1e15 ? String(Int(number)) : "\(number)"
            }
        }
    }
}

extension Inspect {
    /// weightwatcher's layers: matrices and kernels in two dimensions with eight eigenvalues or more and no more than 15,000.
    func printWeightwatcherColumns(of file: SafetensorsFile) throws {
        let inventory = TensorInventory(file, selection)
        try refuseIfEmpty(inventory, file)
        let items = inventory.items.filter { item in
            let count = min(item.shape[0], item.shape[1]) * item.slices
            return item.shape.count != 3 && (8...15_000).contains(count)
        }
        guard !items.isEmpty else {
            throw RefusedInput("\(file.path): weightwatcher looks at matrices of eight eigenvalues or more, and there are none")
        }
        let randomised = !withoutControl
        let numbered = Array(items.enumerated()).map { (identifier: $0.offset, item: $0.element) }
        let layers = try ParallelMap.run(numbered, threads: threadCount) { identifier, item in
            let name = item.name
            let control = { (order: Int) in CounterRNG(seed: 0, purpose: "control \(name)", index: UInt64(order)) }
            return WeightwatcherLayer(
                identifier: identifier, name: name.hasSuffix(".weight") ? String(name.dropLast(7)) : name,
                isKernel: item.shape.count == 4,
                columns: WeightwatcherColumns(
                    of: try item.load(), isKernel: item.shape.count == 4, control: randomised ? control : nil))
        }
        let known = layers.filter { $0.columns.reason == nil }
        if json {
            let rows = layers.map { layer in
                Dictionary(layer.fields.map { ($0.name, $0.field) }) { first, _ in first }
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(["layers": rows]), as: UTF8.self))
        } else if csv {
            if let first = known.first { print(ExaminationCSV.line(first.fields.map(\.name))) }
            for layer in known { print(ExaminationCSV.line(layer.fields.map(\.field.plain))) }
        } else {
            Self.weightwatcherTable(known).forEach { print($0) }
        }
        for layer in layers {
            if let reason = layer.columns.reason {
                try? FileHandle.standardError.write(contentsOf: Array("\(layer.name): n/a, \(reason)\n".utf8))
            }
        }
    }

    /// The columns that people look at; --csv and --json have all.
    private static func weightwatcherTable(_ layers: [WeightwatcherLayer]) -> [String] {
        let names = [
            "layer_id", "N", "M", "rf", "alpha", "D", "sigma", "xmin", "num_pl_spikes", "alpha_weighted", "log_norm", "stable_rank",
        ]
        var table = TextTable(header: ["longname"] + names)
        for layer in layers {
            let fields = Dictionary(layer.fields.map { ($0.name, $0.field) }) { first, _ in first }
            let cells = names.map { name in
                guard case .number(let value)? = fields[name] else { return "" }
                let isCount = ["layer_id", "N", "M", "rf", "num_pl_spikes"].contains(name)
                return isCount ? value.number.map { String(Int($0)) } ?? "n/a" : Figures.brief(value.number)
            }
            table.append([ExaminationTable.shortened(layer.name, to: 24)] + cells)
        }
        return table.lines() + layers.filter { !$0.columns.warning.isEmpty }.map { "\($0.name): \($0.columns.warning)" }
    }
}
