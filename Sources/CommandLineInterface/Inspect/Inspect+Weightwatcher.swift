import Foundation
import LinearAlgebra
import RunStore
import SpectralDiagnostics

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
        // weightwatcher counts the modules that have a weight, those it passes over too, from 1.
        let modules = file.tensors.filter { $0.name.hasSuffix(".weight") || $0.shape.count > 1 }.map(\.name)
        let identifiers = Dictionary(uniqueKeysWithValues: zip(modules, 1...))
        let layers = try ParallelMap.run(items, threads: threadCount, cost: \.cost) { item, parts in
            let name = item.name
            let control = { (order: Int) in CounterRNG(seed: 0, purpose: "control \(name)", index: UInt64(order)) }
            return try WeightwatcherLayer(
                item, identifier: identifiers[name] ?? 0, control: randomised ? control : nil, offering: parts.offer)
        }
        let known = layers.filter { $0.reason == nil }
        if json {
            let rows = layers.map { layer in
                Dictionary(layer.fields.map { ($0.name, $0.field) }) { first, _ in first }
            }
            print(try SortedJSON.text(["layers": rows]))
        } else if csv {
            let header = (known.first ?? layers[0]).fields.map(\.name)
            print(ExaminationCSV.line(header))
            for layer in layers {
                let fields = Dictionary(layer.fields.map { ($0.name, $0.field) }) { first, _ in first }
                print(ExaminationCSV.line(header.map { fields[$0]?.plain ?? "" }))
            }
        } else {
            Self.weightwatcherTable(known).forEach { print($0) }
        }
        for layer in layers {
            if let reason = layer.reason {
                let line = "\(layer.name): n/a, \(reason)".escapedForTerminal
                try? FileHandle.standardError.write(contentsOf: Array("\(line)\n".utf8))
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
        return table.lines()
            + layers.compactMap { layer in
                guard let warning = layer.columns?.warning, !warning.isEmpty else { return nil }
                return "\(layer.name): \(warning)".escapedForTerminal
            }
    }
}
