import Foundation
import LinearAlgebra
import RunStore
import SpectralDiagnostics

extension Inspect {
    /// D1–D7 of every matrix of one file.
    func examine(_ file: SafetensorsFile) throws {
        var inventory = TensorInventory(file, selection)
        try inventory.appendMaps(of: file, selection)
        try refuseIfEmpty(inventory, file)
        let (withControl, limit) = (!withoutControl, sizeLimit)
        let examined = try ParallelMap.run(inventory.items, threads: threadCount, cost: \.cost) { item, parts in
            // Keyed by the name, so that a selection changes no figure.
            let control = withControl ? CounterRNG(seed: 0, purpose: "control \(item.name)") : nil
            return ExaminedTensor(item, try item.load(), completeUpTo: limit, control: control, offering: parts.offer)
        }
        if json {
            print(try ExaminationJSON(file: file.path, examined: examined, skipped: inventory.skipped).text())
        } else if csv {
            ExaminationCSV.lines(examined).forEach { print($0) }
        } else {
            ExaminationTable.lines(examined, skipped: inventory.skipped, withControl: withControl).forEach { print($0) }
        }
    }

    func refuseIfEmpty(_ inventory: TensorInventory, _ file: SafetensorsFile) throws {
        guard inventory.items.isEmpty else { return }
        let reasons = inventory.skipped.prefix(3).map { "\($0.name): \($0.reason)".escapedForTerminal }.joined(separator: "; ")
        throw RefusedInput(
            "\(file.path): there is no matrix to examine"
                + (reasons.isEmpty ? "; the file is empty, or --layers and --exclude leave nothing" : " (\(reasons))"))
    }
}
